/**
 * The archive of files that gokrazy's tools merge into the root file system.
 *
 * @module
 */
import { createTarPacker, type TarHeader } from "modern-tar";
import type { ImageFile } from "./image.ts";

/**
 * The time of every entry: the first second of 2020, so that the same files give the same bytes. Not 0,
 * for programs take that for no time at all.
 */
const MTIME = new Date("2020-01-01T00:00:00Z");

/**
 * The header of an entry. A name that begins with `./` is silently left out by gokrazy's tools, and they
 * make the folders by themselves.
 */
export function tarHeader({ path, mode, sizeBytes }: ImageFile): TarHeader {
  return {
    name: path.replace(/^\/+/, ""),
    size: sizeBytes,
    mode,
    mtime: MTIME,
    uid: 0,
    gid: 0,
    type: "file",
  };
}

/** The files in the order of the archive. @throws {Error} where two go to one place. */
export function tarOrder(files: readonly ImageFile[]): ImageFile[] {
  const sorted = files.toSorted((a, b) => a.path < b.path ? -1 : 1);
  const twice = sorted.find((file, index) => file.path === sorted[index + 1]?.path);
  if (twice !== undefined) throw new Error(`two files go to "${twice.path}"`);
  return sorted;
}

/** Writes the archive. */
export async function writeTar(output: string, files: readonly ImageFile[]): Promise<void> {
  const { readable, controller } = createTarPacker();
  const target = await Deno.open(output, { write: true, create: true, truncate: true });
  const written = readable.pipeTo(target.writable);
  const added = (async () => {
    for (const file of tarOrder(files)) {
      const source = await Deno.open(file.local);
      await source.readable.pipeTo(controller.add(tarHeader(file)));
    }
    controller.finalize();
  })().catch((error) => {
    controller.error(error);
    throw error;
  });
  await Promise.all([written, added]);
}
