/**
 * What goes into the image: files, where they come from, and how they are checked.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A file of the image. */
export interface ImageFile {
  /** Where it goes, such as `/usr/local/bin/blkid`. */
  readonly path: string;
  readonly mode: number;
  /** Where it lies here. */
  readonly local: string;
  readonly sizeBytes: number;
  /** In hex. */
  readonly sha256: string;
}

/** What a file came from, as CONTENTS.txt tells it. */
export interface Origin {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Where it was fetched from, with its checksum, and what was done to it: a line each. */
  readonly made: readonly string[];
  /** Where its source can be had. */
  readonly source: string;
}

/** A piece of the image: some files of one making. */
export interface Part {
  readonly files: readonly ImageFile[];
  readonly origins: readonly Origin[];
}

/** Takes one line that says what is done. */
export type Progress = (line: string) => void;

/** Something that the user can mend; its message is all that is shown. */
export class DistError extends Error {
  override name = "DistError";
}

/** `84.8 MB`, `24 kB`. */
export function formatSize(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The checksum of a file, read in pieces. */
export async function fileDigest(
  path: string,
  algorithm: "sha256" | "sha512",
  encoding: "hex" | "base64",
): Promise<string> {
  const hash = createHash(algorithm);
  const file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest(encoding);
}

/** Looks at a file that goes into the image. */
export async function imageFile(path: string, mode: number, local: string): Promise<ImageFile> {
  const [{ size }, sha256] = await Promise.all([
    Deno.stat(local),
    fileDigest(local, "sha256", "hex"),
  ]);
  return { path, mode, local, sizeBytes: size, sha256 };
}

/** Tries to read the first bytes of a file. @throws {DistError} where it is no file that can be read. */
export async function readHeader(path: string, length: number): Promise<Uint8Array> {
  try {
    using file = await Deno.open(path);
    const header = new Uint8Array(length);
    return header.subarray(0, await file.read(header) ?? 0);
  } catch (error) {
    throw new DistError(`Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  }
}
