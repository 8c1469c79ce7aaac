/**
 * What lies on /perm of an image that no machine runs, without mounting it.
 *
 * @see debugfs(8): a file system inside a file is named by `FILE?offset=BYTES`
 * @module
 */
import { run } from "../../support/command.ts";
import { tempDirectory } from "../../support/temp.ts";
import { PERM } from "./image.ts";

/** One line a path below a directory, sorted: `a/`, `a/link -> to`, `a/file SIZE SHA-256`. */
async function list(directory: string, prefix = ""): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    const shown = `${prefix}${name}`;
    if (isSymlink) {
      lines.push(`${shown} -> ${await Deno.readLink(path)}`);
    } else if (isDirectory) {
      lines.push(`${shown}/`, ...await list(path, `${shown}/`));
    } else {
      const { size } = await Deno.lstat(path);
      const [digest] = (await run("sha256sum", path)).replace("\\", "").split(" ", 1);
      lines.push(`${shown} ${size} ${digest}`);
    }
  }
  return lines.toSorted();
}

/**
 * All that lies on /perm of an image.
 *
 * @throws {Error} where it was not unmounted: what its journal still holds would not be seen.
 */
export async function permFiles(path: string): Promise<string[]> {
  const perm = `${path}?offset=${PERM.offsetBytes}`;
  const features = await run("debugfs", "-R", "features", perm);
  if (features.includes("needs_recovery")) throw new Error(`/perm was not unmounted: ${features}`);
  await using directory = await tempDirectory();
  await run("debugfs", "-R", `rdump / "${directory.path}"`, perm);
  return await list(directory.path);
}
