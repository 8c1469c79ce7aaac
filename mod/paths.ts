/**
 * Paths that may not exist yet.
 *
 * @module
 */
import { resolvePath } from "./server_args.ts";
import type { Files } from "./world.ts";

/** A path with its symlinks resolved as far as it exists. */
export interface NearestPath {
  /** The nearest parent that exists, or the path itself, without symlinks. */
  readonly existing: string;
  /** The whole path: {@linkcode existing} and the rest, as it will be called once it is made. */
  readonly real: string;
}

/**
 * Resolves the symlinks of an absolute path as far as it exists.
 *
 * @throws what realpath(3) fails with, other than a missing file.
 */
export async function resolveNearest(path: string, files: Files): Promise<NearestPath> {
  const missing: string[] = [];
  let links = 0;
  for (let parent = path;;) {
    try {
      const existing = await files.realPath(parent);
      const rest = missing.join("/");
      return {
        existing,
        real: rest === "" ? existing : `${existing === "/" ? "" : existing}/${rest}`,
      };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || parent === "/") throw error;
      const slash = parent.lastIndexOf("/");
      const link = await files.readLink(parent).catch(() => undefined);
      // A symlink to what is not there yet: it leads there all the same. 40 is the kernel's own limit.
      if (link !== undefined && ++links <= 40) {
        parent = resolvePath(link, await files.realPath(parent.slice(0, slash) || "/"));
        continue;
      }
      missing.unshift(parent.slice(slash + 1));
      parent = parent.slice(0, slash) || "/";
    }
  }
}

/** Text of a file, or `undefined` where it cannot be read. */
export async function readTextIfAny(path: string, files: Files): Promise<string | undefined> {
  try {
    return await files.readText(path);
  } catch {
    return undefined;
  }
}
