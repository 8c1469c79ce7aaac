/**
 * What the upper directory of an overlay says of the changes that were made on it.
 *
 * @module
 */

/** One difference between the fake root and the real one. */
export interface Change {
  /** As the program sees it. */
  readonly path: string;
  readonly what: string;
  /** Of a file: all of them, for a file that is changed is copied whole. */
  readonly bytes: number;
}

/** A change that is meant to be. */
export interface Allowed {
  readonly path: string;
  /** As in {@linkcode Change}; not given: whatever it is. */
  readonly what?: string;
  /** Whether all that is below it is allowed, too. */
  readonly below?: true;
  readonly why: string;
}

/** The changes that no entry allows. */
export function outside(changes: readonly Change[], allowed: readonly Allowed[]): Change[] {
  return changes.filter((change) =>
    !allowed.some(({ path, what = change.what, below }) =>
      below && change.path.startsWith(`${path}/`) ||
      change.path === path && change.what === what
    )
  );
}

/** An overlay on one file system of the machine. */
export interface Layer {
  /** Where it is mounted: "" for the root. */
  readonly at: string;
  readonly upper: string;
}

const BEGINNING_BYTES = 60;

/** What a path is; `null` where it is gone, which a file beside the status file is in a moment. */
export function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function describeFile(path: string, size: number): string {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(BEGINNING_BYTES);
  const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  return `a file of ${size} bytes: ${JSON.stringify(text)}`;
}

/** What became of a path that is no directory, and how many bytes. */
function describe(path: string, info: Deno.FileInfo): readonly [what: string, bytes: number] {
  // How an overlay says that a path is no more, see the kernel's overlayfs.rst.
  if (info.isCharDevice && info.rdev === 0) return ["removed", 0];
  if (info.isSymlink) return [`a symlink to ${Deno.readLinkSync(path)}`, 0];
  return info.isFile ? [describeFile(path, info.size), info.size] : ["a special file", 0];
}

/** What a directory has become that was there before; `undefined` if nothing. */
function directoryChange(
  now: Deno.FileInfo,
  before: Deno.FileInfo,
  below: "nothing" | "entries" | "changed entries",
): string | undefined {
  const same = (["mode", "uid", "gid"] as const).every((key) => now[key] === before[key]);
  if (!same) return "a directory with another mode or owner";
  const isLater = now.mtime! > before.mtime!;
  // It also comes up by what is made in it and removed again. The machine's own may change meanwhile.
  const isTouched = below === "nothing" || below === "entries" && isLater;
  return isTouched ? "a directory in which something was made and removed" : undefined;
}

/** All that lies in a layer's upper directory, less the directories that only lead there. */
export function changesIn({ at, upper }: Layer, path = ""): Change[] {
  const changes: Change[] = [];
  const isDirectory = (inner: string) => look(at + inner)?.isDirectory === true;
  let below: Parameters<typeof directoryChange>[2] = path === "" ? "entries" : "nothing";
  for (const { name } of Deno.readDirSync(upper + path)) {
    const inner = `${path}/${name}`;
    const info = look(upper + inner);
    if (info === null) continue;
    if (!info.isDirectory) {
      const [what, bytes] = describe(upper + inner, info);
      changes.push({ path: at + inner, what, bytes });
    } else changes.push(...changesIn({ at, upper }, inner));
    if (!info.isDirectory || !isDirectory(inner)) below = "changed entries";
    else if (below === "nothing") below = "entries";
  }
  const before = look(at + path || "/");
  const what = before?.isDirectory
    ? directoryChange(Deno.lstatSync(upper + path), before, below)
    : "a new directory";
  return what === undefined ? changes : [{ path: at + path || "/", what, bytes: 0 }, ...changes];
}
