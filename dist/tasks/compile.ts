/**
 * `deno task compile`: one self-contained executable, by the real `deno compile`.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The targets, and the number by which an ELF header names their processor (EM_* of linux/elf-em.h). */
export const TARGETS: Readonly<Record<string, number>> = {
  "aarch64-unknown-linux-gnu": 183,
  "x86_64-unknown-linux-gnu": 62,
};

/**
 * What the program may do, baked in. It takes all: Deno opens /proc, /sys and /dev to no narrower set, and
 * mountinfo, the devices and the kernel's log are what the program lives on. `--no-prompt` goes with it, so
 * that a service is never asked.
 */
export const PERMISSIONS = ["--allow-all", "--no-prompt"] as const;

/** 2 MB less memory: what was needed only for a moment is given back sooner, and garbage once the start is over. */
export const V8_FLAGS = "--max-semi-space-size=1,--expose-gc";

/** Where the executable for a target goes. */
export function outputPath(root: string, target: string): string {
  return `${root}/dist/out/restic-rest-server-${target.split("-")[0]}`;
}

/** The arguments of deno. */
export function compileArgs(root: string, target: string, output: string): string[] {
  return [
    "compile",
    ...["--target", target],
    // The types are the business of `deno check`; here they would take most of the time.
    "--no-check",
    // Neither the cache that it would write at each start, nor packages that only the tests import.
    ...["--no-code-cache", "--exclude-unused-npm"],
    `--v8-flags=${V8_FLAGS}`,
    ...PERMISSIONS,
    ...["--output", output],
    `${root}/main.ts`,
  ];
}

/** Where deno tried to download its runtime from, and why that failed; undefined for any other failure. */
export function failedDownload(lines: readonly string[]): { url: string; why: string } | undefined {
  // deno-lint-ignore no-control-regex -- deno colours its output also where no terminal reads it
  const plain = lines.map((line) => line.replace(/\x1b\[[0-9;]*m/g, ""));
  const url = plain.map((line) => /^Download (\S*\/denort-\S+)/.exec(line)?.[1]).find(Boolean);
  const causes = plain.filter((line) => /^\s+\d+: /.test(line) && !line.includes("<unknown>"));
  if (url === undefined || !plain.join("\n").includes("Setting up base binary")) return undefined;
  return { url, why: causes.at(-1)?.replace(/^\s+\d+: /, "") ?? "no reason given" };
}

/** The lines for a machine on which the runtime cannot be downloaded. */
export function runtimeText(target: string, version: string, url: string, why: string): string {
  return `Cannot compile for ${target}: it needs denort, the runtime of Deno ${version}, from ${url}: ${why}
Where that can be had, unpack it and set DENORT_BIN=/path/to/denort; DENORT_BIN is not set here`;
}

/** The processor number in the first 20 bytes of an ELF file; undefined for any other file. */
export function elfMachine(header: Uint8Array): number | undefined {
  const isElf = header.length >= 20 && header[0] === 0x7f &&
    String.fromCharCode(...header.subarray(1, 4)) === "ELF";
  return isElf ? header[18]! | header[19]! << 8 : undefined;
}

/** Looks at a DENORT_BIN before it is used: deno would take one of another processor without a word. */
async function checkRuntime(path: string, target: string): Promise<void> {
  const header = new Uint8Array(20);
  try {
    using file = await Deno.open(path);
    await file.read(header);
  } catch (error) {
    throw new Error(`Cannot read DENORT_BIN="${path}": ${(error as Error).message}`);
  }
  if (elfMachine(header) !== TARGETS[target]) {
    throw new Error(`Cannot use DENORT_BIN="${path}": it is no executable for ${target}`);
  }
}

/** Tries what came out, where this machine can run it: of a `deno` in place of denort comes another deno. */
async function checkOutput(output: string, target: string): Promise<void> {
  if (!target.startsWith(Deno.build.arch)) return;
  // Its code does not count: without a rest-server at hand, --version ends with another than 0.
  const said = await runCommand(output, ["--version"], { signal: AbortSignal.timeout(20_000) })
    .catch((error) => error instanceof CommandError ? error.lines : []);
  if (said.some((line) => line.startsWith("restic-rest-server "))) return;
  await Deno.remove(output);
  throw new Error(
    `Cannot compile for ${target}: what came out is not this program; is DENORT_BIN a denort?`,
  );
}

/** The executable cannot be made; the message says why, `needsRuntime` that it was for want of denort. */
export class CompileError extends Error {
  override name = "CompileError";
  constructor(message: string, readonly needsRuntime = false) {
    super(message);
  }
}

/**
 * Makes the executable for a target.
 *
 * @throws {CompileError} that says what is missing, or gives deno's own words.
 */
export async function compileProgram(target: string, output: string): Promise<void> {
  const runtime = Deno.env.get("DENORT_BIN");
  try {
    if (runtime !== undefined) await checkRuntime(runtime, target);
    await runCommand(Deno.execPath(), compileArgs(ROOT, target, output), { cwd: ROOT });
    await checkOutput(output, target);
  } catch (error) {
    if (!(error instanceof CommandError)) throw new CompileError((error as Error).message);
    const download = runtime === undefined ? failedDownload(error.lines) : undefined;
    throw new CompileError(
      download === undefined
        ? [...error.lines, `Cannot compile for ${target}: deno's own words are above`].join("\n")
        : runtimeText(target, Deno.version.deno, download.url, download.why),
      download !== undefined,
    );
  }
}

async function main([target, ...rest]: string[]): Promise<number> {
  if (target === undefined || rest.length > 0 || TARGETS[target] === undefined) {
    console.error(`Usage: compile.ts TARGET, where TARGET is ${Object.keys(TARGETS).join(" or ")}`);
    return 64;
  }
  const output = outputPath(ROOT, target);
  try {
    await compileProgram(target, output);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(error.message);
    return 1;
  }
  const { size } = await Deno.stat(output);
  console.log(`${output}: ${(size / 1e6).toFixed(0)} MB, for ${target}`);
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
