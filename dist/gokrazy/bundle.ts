/**
 * The program as one JavaScript file, and the file that starts it.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { DENO_PATH } from "./deno_package.ts";
import { DistError, fileDigest } from "./image.ts";

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
export function bundleArgs(output: string, entry: string): string[] {
  return [
    "bundle",
    "--quiet",
    ...["--platform", "deno"],
    // Not for a browser: it takes the form of the log's library without node:util. A bundle loads all
    // modules of Node at its start, also where they are imported late, and this one takes 30 ms.
    ...["--conditions", "browser"],
    // 1.4 MB less memory and 3 ms less of the start; a defect's stack still names the functions.
    ...["--minify", "--keep-names"],
    ...["--output", output],
    entry,
  ];
}

/**
 * The bundle, changed: it is no longer the main module.
 *
 * @throws {Error} where it asks more than once, or never, whether it is the main module.
 */
export function finishBundle(text: string): string {
  const asks = text.split("import.meta.main").length - 1;
  if (asks !== 1) throw new Error(`the bundle has import.meta.main ${asks} times, not once`);
  return text.replace("import.meta.main", "true");
}

/** Modules that the bundle loads at its start, however late the program imports them. */
export function eagerModules(text: string): string[] {
  return [...text.matchAll(/(?:^|;)import\s*(?:[\w\s{},*$]*?from\s*)?"([^"]+)"/gm)]
    .map(([, name]) => name!);
}

/** The esbuild that this Deno fetches from npm to bundle with, and its SHA-256 by architecture. */
const ESBUILD = {
  version: "0.25.5",
  sha256: {
    x86_64: "3331e0b23c99d93d9a39e436a4838de40ca1c95ac3bcbd9874ba169d8545b634",
    aarch64: "d6d656d9326ce1c55c01f73604a3cffda35c63cce60016e9ed795ac91cd1e67d",
  },
} as const;

/** esbuild could not be fetched; its message says why. */
export class EsbuildMissing extends DistError {
  override name = "EsbuildMissing";
}

/**
 * Compares the esbuild that Deno keeps with the pinned one: deno.lock does not cover it.
 *
 * @param folder Deno's own cache.
 * @throws {DistError} where it is another one.
 */
export async function checkEsbuild(folder: string): Promise<void> {
  const name = `esbuild-linux-${Deno.build.arch === "x86_64" ? "x64" : "arm64"}`;
  const path = `${folder}/dl/esbuild-${ESBUILD.version}/${name}`;
  const found = await fileDigest(path, "sha256", "hex").catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  const wanted = ESBUILD.sha256[Deno.build.arch as keyof typeof ESBUILD.sha256];
  if (found !== undefined && found !== wanted) {
    throw new DistError(`Cannot use "${path}": it is not the esbuild ${ESBUILD.version} of npm
  expected SHA-256 ${wanted}
  found    SHA-256 ${found}
Remove it, and it is fetched again`);
  }
}

/** Runs `deno bundle`. @throws {DistError} with deno's own words. */
async function bundle(output: string, entry: string): Promise<void> {
  await runCommand(Deno.execPath(), bundleArgs(output, entry), { cwd: ROOT }).catch((error) => {
    if (!(error instanceof CommandError)) throw error;
    // deno-lint-ignore no-control-regex -- deno colours its output also where no terminal reads it
    const said = error.lines.join("\n").replace(/\x1b\[[0-9;]*m/g, "").replace(
      /\n+Stack [^]*$/,
      "",
    );
    const Reason = said.includes("@esbuild/") ? EsbuildMissing : DistError;
    throw new Reason(`Cannot bundle the program: ${said}`);
  });
}

/** Writes the bundle. @throws {DistError} where it cannot be made, or would start slowly. */
export async function bundleProgram(output: string, entry = "main.ts"): Promise<void> {
  const info = await runCommand(Deno.execPath(), ["info", "--json"], { cwd: ROOT });
  const { denoDir } = JSON.parse(info.join("\n")) as { denoDir: string };
  await checkEsbuild(denoDir);
  await bundle(output, entry);
  // It may have been fetched just now.
  await checkEsbuild(denoDir);
  const text = finishBundle(await Deno.readTextFile(output));
  const eager = eagerModules(text);
  if (eager.length > 0) {
    throw new DistError(`Cannot use the bundle: it would load ${eager.join(", ")} at its start`);
  }
  await Deno.writeTextFile(output, text);
}

/**
 * Writes the bundle and its starter beside each other, for this machine; gives the starter's path.
 *
 * @param entry the main module, if it is not main.ts.
 */
export async function runnableBundle(
  folder: string,
  deno = DENO_PATH,
  entry?: string,
): Promise<string> {
  const [starter, bundle] = [`${folder}/restic-rest-server`, `${folder}/restic-rest-server.js`];
  await bundleProgram(bundle, entry);
  await Deno.writeTextFile(starter, starterText(deno, bundle));
  await Deno.chmod(starter, 0o755);
  return starter;
}
