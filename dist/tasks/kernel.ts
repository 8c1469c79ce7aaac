/**
 * `deno task dist:kernel`: a gokrazy kernel package with btrfs in dist/out/kernel/, from Debian's source.
 *
 * @module
 */
import { PROGRAMS } from "../kernel/build.ts";
import { kernelPackage } from "../kernel/cache.ts";
import { KERNEL_PACKAGE } from "../kernel/package.ts";
import { ensurePrograms } from "../tools/debian.ts";

const OUTPUT = new URL("../out/kernel", import.meta.url).pathname;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
const EXIT_FAILED = 1;
const EXIT_USAGE = 64;

const say = (line: string) => console.log(`dist:kernel: ${line}`);

/** Copies the files of a package over what an earlier run left; gives a line for each. */
async function copyPackage(from: string, to: string): Promise<string[]> {
  await Deno.remove(to, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(to, { recursive: true });
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
    const { size } = await Deno.stat(`${to}/${name}`);
    lines.push(`${to}/${name}: ${size} bytes`);
  }
  return lines.toSorted();
}

async function main(args: string[], signal: AbortSignal): Promise<number> {
  if (args.length > 0) {
    console.error("Usage: deno task dist:kernel");
    return EXIT_USAGE;
  }
  await ensurePrograms(PROGRAMS, say, signal);
  const folder = await kernelPackage({ progress: say, signal });
  for (const line of await copyPackage(folder, OUTPUT)) say(line);
  say(`KernelPackage is ${KERNEL_PACKAGE}; dist/kernel/README.md says how to use it`);
  return 0;
}

if (import.meta.main) {
  const stop = new AbortController();
  for (const [name, code] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    Deno.addSignalListener(name, () => {
      Deno.exitCode = code;
      stop.abort(new Error(`dist:kernel: stopped by ${name}`));
    });
  }
  try {
    Deno.exit(await main(Deno.args, stop.signal));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(Deno.exitCode || EXIT_FAILED);
  }
}
