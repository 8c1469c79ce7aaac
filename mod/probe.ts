/**
 * Whether the disk under a serving rest-server is still there: what can be asked without writing to it and
 * without waking it.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { isGone, readDiskSequence } from "./disks.ts";
import { readMounts } from "./existing.ts";
import { errnoOf, messageOf } from "./exit.ts";
import type { Mounted } from "./mount.ts";
import { splitOptions } from "./mount_options.ts";
import { isBelow, mountHolding, type MountInfo, type MountPlace, placeOf } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
import { isRemote } from "./remote.ts";
import type { World } from "./world.ts";

/** What one probe found. */
export interface Findings {
  /** Why nothing can be served from it any more; `null` where it can. */
  readonly lost: string | null;
  /** What the administrator should know, though serving goes on; each line is said once. */
  readonly troubles: readonly string[];
}

/** A super block option that says that the file system is dead for good: ext4 6.12, xfs, btrfs. */
const DEAD = "shutdown";
/** Of a file system that gave up writing after an error; older kernels turn `rw` into `ro` instead. */
const READ_ONLY = ["emergency_ro", "ro"];

/** What the options of a mount say, `before` being those it was mounted with. */
export function judgeOptions(now: MountInfo, before: MountInfo): Findings {
  if (now.superOptions.includes(DEAD)) {
    return { lost: `its file system was shut down after an error (${DEAD})`, troubles: [] };
  }
  const turned = READ_ONLY.find((option) =>
    now.superOptions.includes(option) && !before.superOptions.includes(option)
  );
  if (turned === undefined) return { lost: null, troubles: [] };
  return {
    lost: null,
    troubles: [
      `the file system has turned read-only after an error (${turned}): restores go on, backups fail; ` +
      `see the kernel log, stop this program and run fsck on "${now.mountSource}"`,
    ],
  };
}

/** Devices that are gone from sysfs, or have become another disk. */
async function goneDevices({ found }: Mounted, world: World): Promise<string[]> {
  const gone = await Promise.all(found.majorMinors.map(async (number) => {
    if (await isGone(number, world)) return [number];
    const before = found.diskSequences?.get(number);
    return before === undefined || await readDiskSequence(number, world) === before ? [] : [number];
  }));
  return gone.flat();
}

async function judgeDevices(mounted: Mounted, mount: MountConfig, world: World): Promise<Findings> {
  const gone = await goneDevices(mounted, world);
  const { majorMinors, source } = mounted.found;
  if (gone.length === 0) return { lost: null, troubles: [] };
  if (gone.length === majorMinors.length) {
    return { lost: `the device "${source}" is gone (${gone.join(", ")})`, troubles: [] };
  }
  const what = `${gone.length} of ${majorMinors.length} members of the btrfs are gone (${
    gone.join(", ")
  })`;
  return splitOptions(mount.data).includes("degraded")
    ? { lost: null, troubles: [`${what}: serving goes on degraded`] }
    : { lost: what, troubles: [] };
}

/** ext4's own count of errors: `Documentation/ABI/testing/sysfs-fs-ext4`. */
async function countErrors({ info, found }: Mounted, world: World): Promise<string[]> {
  if (!/^ext[234]$/.test(info.fsType) || found.majorMinors.length === 0) return [];
  const link = await world.files.readLink(`/sys/dev/block/${found.majorMinors[0]}`).catch(() => "");
  const name = link.slice(link.lastIndexOf("/") + 1);
  const text = await readTextIfAny(`/sys/fs/ext4/${name}/errors_count`, world.files);
  const count = Number(text?.trim() ?? 0);
  return count > 0
    ? [
      `ext4 has counted ${count} error${count === 1 ? "" : "s"} on "${found.source}": ` +
      "stop this program, unmount it, and run e2fsck -f",
    ]
    : [];
}

/** errno of a want of our own, not of the disk. */
const OURS: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM"];

/** The file of each mount that a probe reads: to look for it each time would keep twenty threads busy. */
const known = new WeakMap<Mounted, string>();

/**
 * Whether a byte can be read of what is there: a FIFO would be waited for without end, and a directory or a
 * symlink to itself is none of the disk's faults.
 */
async function isFile(path: string, { files }: World): Promise<boolean> {
  try {
    return (await files.stat(path))?.kind === "file";
  } catch (error) {
    if (error instanceof Deno.errors.FilesystemLoop) return false;
    throw error;
  }
}

/** What a symlink leads to, such as a password file elsewhere, can be on another disk. */
function isSymlink(path: string, { files }: World): Promise<boolean> {
  return files.readLink(path).then(() => true, () => false);
}

/** A file that a probe may read a byte of: the kernel keeps it in memory, so the disk may sleep on. */
async function anyFile(
  { path }: MountConfig,
  { info }: Mounted,
  world: World,
): Promise<string | undefined> {
  for (const directory of [path, info.mountPoint]) {
    if (await world.files.stat(directory) === null) continue;
    for (const name of await world.files.list(directory)) {
      const file = `${directory}/${name}`;
      if (await isFile(file, world) && !await isSymlink(file, world)) return file;
    }
  }
  return undefined;
}

/**
 * Asks the file system itself: a shut-down ext4 still answers stat and readdir, a shut-down xfs still
 * answers statfs, so a byte is read. What is only denied to us says nothing about the disk.
 */
async function touch(mount: MountConfig, mounted: Mounted, world: World): Promise<string | null> {
  try {
    let file = known.get(mounted);
    known.delete(mounted);
    // An NFS server can have delegated the file: what is read of it then asks nobody for a long time.
    if (file === undefined || isRemote(mounted)) await world.files.stat(mounted.info.mountPoint);
    // Something else can be in its place by now.
    if (file === undefined || !await isFile(file, world)) {
      file = await anyFile(mount, mounted, world);
    }
    if (file === undefined) return null;
    await world.files.readAt(file, 0, 1);
    known.set(mounted, file);
    return null;
  } catch (error) {
    if (OURS.includes(errnoOf(error))) throw error;
    const harmless = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    return harmless ? null : `it cannot be read: ${messageOf(error)}`;
  }
}

/** Why a mount that is no longer on its target serves nothing. */
function describeLoss(
  place: Exclude<MountPlace, { kind: "on its target" }>,
  { mountPoint }: MountInfo,
): string {
  if (place.kind === "gone") return "somebody else unmounted it";
  if (place.kind === "moved") return `somebody moved its mount to "${place.to}"`;
  return place.by?.mountPoint === mountPoint
    ? `"${place.by.mountSource}" (${place.by.fsType}) was mounted over it`
    : "a mount above it hides it";
}

/** What was mounted over the directory that is served, or over one above it on the disk. */
function describeCover(holder: MountInfo | undefined): string {
  const { mountSource, fsType, mountPoint } = holder!;
  return `"${mountSource}" (${fsType}) was mounted on "${mountPoint}", over what is served: ` +
    "what is written there is not on the disk";
}

/** Mounts below the directory that is served: somebody may want them, and should know. */
function judgeSubmounts(path: string, { mountId }: MountInfo, mounts: readonly MountInfo[]) {
  const below = mounts.filter(({ parentId, mountPoint }) =>
    parentId === mountId && mountPoint !== path && isBelow(mountPoint, path)
  );
  return below.map(({ mountSource, fsType, mountPoint }) =>
    `"${mountSource}" (${fsType}) is mounted on "${mountPoint}": backups below it are not on this disk`
  );
}

/**
 * One probe. It ends only when the file system answers.
 *
 * @param mount its `path` without symlinks.
 */
export async function probe(
  mount: MountConfig,
  mounted: Mounted,
  world: World,
): Promise<Findings> {
  const { info } = mounted;
  const lost = (why: string): Findings => ({ lost: why, troubles: [] });
  const mounts = await readMounts(world);
  const place = placeOf(info, mounts);
  if (place.kind !== "on its target") return lost(describeLoss(place, info));
  const holder = mountHolding(mounts, mount.path);
  if (holder !== place.info) return lost(describeCover(holder));
  const options = judgeOptions(place.info, info);
  if (options.lost !== null) return options;
  const devices = await judgeDevices(mounted, mount, world);
  if (devices.lost !== null) return devices;
  const unreadable = await touch(mount, mounted, world);
  if (unreadable !== null) return lost(unreadable);
  const troubles = [
    ...options.troubles,
    ...devices.troubles,
    ...judgeSubmounts(mount.path, info, mounts),
    ...await countErrors(mounted, world),
  ];
  return { lost: null, troubles };
}
