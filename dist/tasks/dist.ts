/**
 * `deno task dist`: the folder that `gok add` takes, with all that the program needs on gokrazy.
 *
 * @module
 */
import { CommandError } from "../tools/command.ts";
import { ToolsError } from "../tools/tools.ts";
import { DistError, formatSize, type Progress } from "../gokrazy/image.ts";
import { type DistOptions, parseDistArgs, USAGE } from "../gokrazy/options.ts";
import { makePackage } from "../gokrazy/package.ts";

const EXIT_USAGE = 64;
const OUTPUT = new URL("../out/gokrazy", import.meta.url).pathname;

async function main(args: readonly string[]): Promise<number> {
  let options: DistOptions;
  try {
    options = parseDistArgs(args);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return EXIT_USAGE;
  }
  const startMs = performance.now();
  const progress: Progress = (line) => console.log(`dist: ${line}`);
  try {
    const { archive, sizeBytes, engine } = await makePackage(options, OUTPUT, progress);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    progress(`${archive}: ${formatSize(sizeBytes)}, engine ${engine}, in ${seconds} s`);
    progress(`what is in it: ${OUTPUT}/CONTENTS.txt; next: gok add ${OUTPUT}`);
    for (const name of options.names) {
      progress(`and, as a service of its own: gok add ${OUTPUT}/${name}`);
    }
    return 0;
  } catch (error) {
    // A plain Error names what is missing on this machine; any other class is a defect.
    const known = [Error, DistError, ToolsError, CommandError].some((known) =>
      (error as Error).constructor === known
    );
    if (!known) throw error;
    console.error((error as Error).message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
