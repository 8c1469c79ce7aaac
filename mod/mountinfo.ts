/**
 * `/proc/self/mountinfo`, see proc(5).
 *
 * @module
 */

/** One mount; the fields are named as in proc(5). */
export interface MountInfo {
  readonly mountId: number;
  readonly parentId: number;
  /** Device number of files on this mount, `"8:1"`; anonymous (`"0:n"`) for btrfs, tmpfs, NFS. */
  readonly majorMinor: string;
  /** The directory of the file system that is this mount's root: `/`, or a btrfs subvolume. */
  readonly root: string;
  readonly mountPoint: string;
  /** Per-mount options, such as `nosuid`. */
  readonly mountOptions: readonly string[];
  /** Propagation tags, such as `shared:1`. */
  readonly optionalFields: readonly string[];
  readonly fsType: string;
  readonly mountSource: string;
  /** Per-superblock options, such as `emergency_ro`. */
  readonly superOptions: readonly string[];
}

/** Undoes the kernel's escapes for space, tab, newline, `#` and backslash: `\040` and the like. */
function unescape(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** The first three fields, which are numbers. */
const NUMBERS = /^\d+ \d+ \d+:\d+ /;

function parseLine(line: string): MountInfo {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const mountSource = fields[separator + 2];
  if (separator < 0 || mountSource === undefined || !NUMBERS.test(line)) {
    throw new SyntaxError(`Cannot parse mountinfo line: ${JSON.stringify(line.slice(0, 200))}`);
  }
  return {
    mountId: Number(fields[0]),
    parentId: Number(fields[1]),
    majorMinor: fields[2]!,
    root: unescape(fields[3]!),
    mountPoint: unescape(fields[4]!),
    mountOptions: fields[5]!.split(","),
    optionalFields: separator === 6 ? [] : fields.slice(6, separator),
    fsType: unescape(fields[separator + 1]!),
    mountSource: unescape(mountSource),
    superOptions: (fields[separator + 3] ?? "").split(",").map(unescape),
  };
}

/**
 * Parses the text of `/proc/self/mountinfo`, in the kernel's order.
 *
 * ```ts
 * parseMountinfo("36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n");
 * ```
 *
 * @throws {SyntaxError} for a line that is not of the form in proc(5).
 */
export function parseMountinfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split("\n")) {
    if (line !== "") mounts.push(parseLine(line));
  }
  return mounts;
}

/** Whether `path` is `ancestor` or lies below it; both absolute and without `.` and `..`. */
export function isBelow(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === "/" || path.startsWith(`${ancestor}/`);
}

/**
 * The mount that an absolute, symlink-free path lies on, found as the kernel walks: from the root down,
 * at each step into the mount that covers the next part of the path, so that a mount below an
 * over-mounted directory is not taken for a visible one.
 */
export function mountHolding(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  const onPath = mounts.filter((mount) => isBelow(path, mount.mountPoint));
  const ids = new Set(mounts.map((mount) => mount.mountId));
  const isRoot = (mount: MountInfo) => !ids.has(mount.parentId) || mount.parentId === mount.mountId;
  const nearest = (candidates: MountInfo[]) =>
    candidates.reduce<MountInfo | undefined>(
      (best, mount) =>
        best === undefined || mount.mountPoint.length < best.mountPoint.length ? mount : best,
      undefined,
    );
  // Ids are given anew: a text read while mounts change can show one twice, and the walk would go round.
  const passed = new Set<MountInfo>();
  let holder: MountInfo | undefined;
  let next = nearest(onPath.filter(isRoot));
  while (next !== undefined) {
    holder = next;
    passed.add(next);
    next = nearest(
      onPath.filter((mount) =>
        mount.parentId === holder!.mountId && !isRoot(mount) && !passed.has(mount)
      ),
    );
  }
  return holder;
}

/** The mount that is visible at exactly this path: the topmost of a stack; none where it is no mount point. */
export function mountAt(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  const holder = mountHolding(mounts, path);
  return holder?.mountPoint === path ? holder : undefined;
}

/** Where a mount is by now. */
export type MountPlace =
  | { readonly kind: "on its target"; readonly info: MountInfo }
  | { readonly kind: "gone" }
  | { readonly kind: "moved"; readonly to: string }
  /** Its path leads to another mount, on the same directory or above it. */
  | { readonly kind: "hidden"; readonly by: MountInfo | undefined };

/** A btrfs shows whichever of its members was used last: a source that changes under one mount. */
export function isSameSource(
  now: Pick<MountInfo, "fsType" | "mountSource">,
  before: Pick<MountInfo, "fsType" | "mountSource">,
): boolean {
  return now.fsType === before.fsType &&
    (now.fsType === "btrfs" || now.mountSource === before.mountSource);
}

/** Whether a mount is the one of an earlier moment. The ids of mounts are used again, so its source counts, too. */
function isSame(now: MountInfo, before: MountInfo): boolean {
  return now.mountId === before.mountId && now.majorMinor === before.majorMinor &&
    isSameSource(now, before);
}

/** Whether a mount is the one of an earlier moment, and where that was. */
export function isUnmoved(now: MountInfo | undefined, before: MountInfo): now is MountInfo {
  return now !== undefined && isSame(now, before) && now.mountPoint === before.mountPoint;
}

/** Finds a mount of an earlier moment again. */
export function placeOf(before: MountInfo, mounts: readonly MountInfo[]): MountPlace {
  const own = mounts.find((mount) => isSame(mount, before));
  if (own === undefined) return { kind: "gone" };
  if (own.mountPoint !== before.mountPoint) return { kind: "moved", to: own.mountPoint };
  const holder = mountHolding(mounts, before.mountPoint);
  return holder === own ? { kind: "on its target", info: own } : { kind: "hidden", by: holder };
}
