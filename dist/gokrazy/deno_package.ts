/**
 * Deno's own executable from npm.
 *
 * @module
 */
import { unpackTar } from "modern-tar";
import { type CommandError, runCommand } from "../tools/command.ts";
import { ensurePrograms } from "../tools/debian.ts";
import { keptPart } from "./cache.ts";
import { DistError, fileDigest, formatSize, type Part, type Progress } from "./image.ts";
import { DENO_VERSION, type Target } from "./targets.ts";

/** Where it goes: the first line of the program names it. */
export const DENO_PATH = "/usr/local/bin/deno";

/** The words for an archive that is not the one that was chosen here. */
export function mismatchText(name: string, wanted: string, found: string): string {
  return `Cannot use ${name}: its archive is not the one of this version
  expected ${wanted}
  found    ${found}
Whoever serves it has changed it, or it was damaged on its way: nothing was made of it`;
}

/**
 * Fetches the package by npm, so that the user's registry and proxy count, and takes the executable out.
 *
 * @throws {DistError} where npm cannot fetch it, or its checksum is another than the pinned one.
 */
export async function denoExecutable({ denoPackage }: Target, progress: Progress): Promise<Part> {
  const { name, integrity } = denoPackage;
  const wanted = `${name}@${DENO_VERSION}`;
  return await keptPart("deno", [wanted, integrity], progress, async (folder) => {
    const { npm } = await ensurePrograms(["npm"], progress);
    progress(`fetching ${wanted} from npm, about 42 MB`);
    const args = ["pack", wanted, "--ignore-scripts", "--pack-destination", folder];
    await runCommand(npm!, args, { cwd: folder }).catch((error: CommandError) => {
      const said = error.lines.filter((line) => /^npm (error|ERR!)/.test(line)).slice(0, 3);
      throw new DistError([`Cannot fetch ${wanted}: ${error.message}`, ...said].join("\n"));
    });
    const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
    const archive = `${folder}/${names.find((file) => file.endsWith(".tgz"))}`;
    const found = `sha512-${await fileDigest(archive, "sha512", "base64")}`;
    if (found !== integrity) throw new DistError(mismatchText(wanted, integrity, found));

    const stream = (await Deno.open(archive)).readable
      .pipeThrough(new DecompressionStream("gzip"));
    const entries = await unpackTar(stream, { filter: (entry) => entry.name === "package/deno" });
    const data = entries[0]?.data;
    if (data === undefined) throw new DistError(`Cannot find Deno's executable in ${wanted}`);
    await Deno.writeFile(`${folder}/deno`, data, { mode: 0o755 });
    await Deno.remove(archive);
    progress(`${wanted}: ${formatSize(data.length)}, its checksum is the expected one`);
    return {
      files: [{ name: "deno", path: DENO_PATH, mode: 0o755 }],
      origins: [{
        name: "deno",
        version: DENO_VERSION,
        licence: "MIT; V8 and others that it contains have licences of their own",
        made: [`npm package ${wanted}`, `  ${integrity}`],
        source: `https://github.com/denoland/deno/tree/v${DENO_VERSION}`,
      }],
    };
  });
}
