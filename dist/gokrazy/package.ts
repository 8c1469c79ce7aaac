/**
 * From the options to the finished folder.
 *
 * @module
 */
import { lockFolder } from "../tools/lock_folder.ts";
import { Apt } from "./apt.ts";
import { debianBlkid, givenBlkid } from "./blkid.ts";
import { distCache, removeRemains } from "./cache.ts";
import { archiveName, archiveText, contentsText, parseContents } from "./contents.ts";
import { makeProgram, type Program } from "./engine.ts";
import { debianGlibc, givenGlibc } from "./glibc.ts";
import { imageFile, type Part, type Progress } from "./image.ts";
import type { DistOptions } from "./options.ts";
import { tarOrder, writeTar } from "./tar.ts";
import { type Target, TARGETS } from "./targets.ts";

const SHIM = new URL("shim", import.meta.url).pathname;

/** What the user names instead of Debian's. */
async function givenParts(target: Target, { blkid, glibc }: DistOptions): Promise<Part[]> {
  return [
    ...blkid === undefined ? [] : [await givenBlkid(target, blkid)],
    ...glibc === undefined ? [] : [await givenGlibc(target, glibc)],
  ];
}

/** Debian's blkid and C library, where the user names no other. */
async function debianParts(
  target: Target,
  { blkid, glibc }: DistOptions,
  progress: Progress,
): Promise<Part[]> {
  if (blkid !== undefined && glibc !== undefined) return [];
  const { apt, debian } = await Apt.open(target.arch, progress);
  return [
    ...blkid === undefined ? [await debianBlkid(target, debian, apt, progress)] : [],
    ...glibc === undefined ? [await debianGlibc(target, debian, apt, progress)] : [],
  ];
}

/** Puts a file in its place at once, whole. */
async function put(write: (path: string) => Promise<void>, path: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await write(temporary);
    await Deno.rename(temporary, path);
  } finally {
    await Deno.remove(temporary).catch(() => {});
  }
}

/**
 * Puts packages of further names into the folder: each is the same small program, which executes the same
 * files of the image. One that is there from an earlier run is made anew with the rest.
 */
export async function putNames(folder: string, names: readonly string[]): Promise<void> {
  const all = new Set(names);
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const shim = `${folder}/${name}/main.go`;
    if (isDirectory && await Deno.stat(shim).catch(() => null) !== null) all.add(name);
  }
  for (const name of all) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    await put((path) => Deno.copyFile(`${folder}/main.go`, path), `${folder}/${name}/main.go`);
  }
}

async function writeFolder(
  target: Target,
  program: Program,
  parts: readonly Part[],
  names: readonly string[],
  output: string,
  progress: Progress,
) {
  const { arch } = target;
  const files = tarOrder(parts.flatMap((part) => part.files));
  await Deno.mkdir(`${output}/_gokrazy`, { recursive: true });
  const cache = distCache();
  await Deno.mkdir(cache, { recursive: true });
  using _lock = await lockFolder(cache, "the package", progress);
  await removeRemains(output);
  await removeRemains(`${output}/_gokrazy`);
  for (const name of ["go.mod", "main.go"]) {
    await put((path) => Deno.copyFile(`${SHIM}/${name}`, path), `${output}/${name}`);
  }
  await putNames(output, names);
  const archive = `${output}/${archiveName(arch)}`;
  await put((path) => writeTar(path, files), archive);
  const made = await imageFile(archive, 0o644, archive);
  const origins = parts.flatMap((part) => part.origins);
  const before = await Deno.readTextFile(`${output}/CONTENTS.txt`).catch(() => "");
  const sections = {
    ...parseContents(before),
    [arch]: archiveText(arch, made, program, files, origins),
  };
  await put((path) => Deno.writeTextFile(path, contentsText(sections)), `${output}/CONTENTS.txt`);
  return { archive, sizeBytes: made.sizeBytes, engine: program.engine };
}

/**
 * Makes the package.
 *
 * @throws {DistError} for whatever the user can mend.
 */
export async function makePackage(options: DistOptions, output: string, progress: Progress) {
  const target = TARGETS[options.arch];
  // First, for a mistake there needs no download to be found.
  const given = await givenParts(target, options);
  const folder = await Deno.makeTempDir({ prefix: "restic-rest-server-dist-" });
  try {
    const program = await makeProgram(target, options.engine, folder, progress);
    const parts = [program, ...given, ...await debianParts(target, options, progress)];
    return await writeFolder(target, program, parts, options.names, output, progress);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
