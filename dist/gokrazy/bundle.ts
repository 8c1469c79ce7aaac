/**
 * The program as one JavaScript file, and the file that starts it.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { DENO_PATH } from "./deno_package.ts";
import { DistError } from "./image.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Where the two files go. */
export const STARTER_PATH = "/usr/local/bin/restic-rest-server";
export const BUNDLE_PATH = "/usr/local/lib/restic-rest-server.js";

/**
 * The file under the program's own name. Deno compiles a file without an extension as TypeScript, into a
 * cache: for the whole program that takes 60 ms and 1 MB more at the first start, so it is but one line.
 * A first line takes one argument, so `-A` it is, not `run -A`.
 */
export function starterText(deno: string, bundle: string): string {
  return `#!${deno} -A\nimport ${JSON.stringify(bundle)};\n`;
}

/** The arguments of deno. */
export function bundleArgs(output: string): string[] {
  return [
    "bundle",
    "--quiet",
    ...["--platform", "deno"],
    // Not for a browser: it takes the form of the log's library without node:util. A bundle loads all
    // modules of Node at its start, also where they are imported late, and this one takes 30 ms.
    ...["--conditions", "browser"],
    ...["--output", output],
    "main.ts",
  ];
}

/**
 * What is changed in the bundle: it is no longer the main module, and the names of the packages' files in its
 * comments lose the folder of this machine's cache.
 *
 * @throws {Error} where the bundle asks more than once, or never, whether it is the main module.
 */
export function finishBundle(text: string): string {
  const asks = text.split("import.meta.main").length - 1;
  if (asks !== 1) throw new Error(`the bundle has import.meta.main ${asks} times, not once`);
  const fixed = text.replace("import.meta.main", "true");
  return fixed.replace(/^((?:\/\/ |\s*"))[^\s"]*\/npm\/[^\s/"]+\//gm, "$1npm:");
}

/** Modules that the bundle loads at its start, however late the program imports them. */
export function eagerModules(text: string): string[] {
  return [...text.matchAll(/^import\s.*?from\s*"([^"]+)"|^import\s+"([^"]+)"/gm)]
    .map(([, from, bare]) => (from ?? bare)!);
}

/** Writes the bundle. @throws {DistError} with deno's own words. */
export async function bundleProgram(output: string): Promise<void> {
  await runCommand(Deno.execPath(), bundleArgs(output), { cwd: ROOT }).catch((error) => {
    if (!(error instanceof CommandError)) throw error;
    throw new DistError(["Cannot bundle the program:", ...error.lines].join("\n"));
  });
  const text = finishBundle(await Deno.readTextFile(output));
  const eager = eagerModules(text);
  if (eager.length > 0) {
    throw new DistError(`Cannot use the bundle: it would load ${eager.join(", ")} at its start`);
  }
  await Deno.writeTextFile(output, text);
}

/** Writes the bundle and its starter beside each other, for this machine; gives the starter's path. */
export async function runnableBundle(folder: string, deno = DENO_PATH): Promise<string> {
  const [starter, bundle] = [`${folder}/restic-rest-server`, `${folder}/restic-rest-server.js`];
  await bundleProgram(bundle);
  await Deno.writeTextFile(starter, starterText(deno, bundle));
  await Deno.chmod(starter, 0o755);
  return starter;
}
