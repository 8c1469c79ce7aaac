/**
 * The mount that is on the target before this program mounts: whether it is of the right disk, and
 * whether it can be taken over.
 *
 * @module
 */
import { isGone } from "./disks.ts";
import { Failure } from "./exit.ts";
import type { FoundSource } from "./found.ts";
import { majorMinor, MS_NOATIME, MS_RDONLY, MS_RELATIME, MS_STRICTATIME } from "./linux.ts";
import { parseMountOptions, splitOptions } from "./mount_options.ts";
import { type MountInfo, parseMountinfo } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
import { describeMount, type MountSpec } from "./source.ts";
import type { World } from "./world.ts";

/** Super block options of a file system that is dead or gave up writing. */
const DEAD_OPTIONS = ["shutdown", "emergency_ro"];

/** The last text and its mounts: each probe mostly gets the same, and 10,000 mounts take 14 ms to parse. */
let last: { readonly text: string; readonly mounts: readonly MountInfo[] } | undefined;

/** The mounts of this process's namespace. @throws {SyntaxError} for what is no mountinfo. */
export async function readMounts(world: World): Promise<readonly MountInfo[]> {
  const text = await world.files.readText("/proc/self/mountinfo");
  if (text !== last?.text) last = { text, mounts: parseMountinfo(text) };
  return last.mounts;
}

/** The directory of the file system that a mount with this data has as its root. */
function rootMatches(info: MountInfo, data: string): boolean {
  const options = new Map(
    splitOptions(data).map((option) => {
      const [name, ...value] = option.split("=");
      return [name!, value.join("=")];
    }),
  );
  const subvolid = options.get("subvolid");
  if (subvolid !== undefined) return info.superOptions.includes(`subvolid=${subvolid}`);
  const subvol = options.get("subvol");
  return info.root === (subvol === undefined ? "/" : `/${subvol.replace(/^\/+|\/+$/g, "")}`);
}

/** Whether a mount is of the very devices that were found. */
export async function isOfSource(
  info: MountInfo,
  found: FoundSource,
  world: World,
): Promise<boolean> {
  if (found.majorMinors.length === 0) {
    return info.fsType === found.fstype && info.mountSource === found.source;
  }
  if (found.fsid === undefined) return found.majorMinors.includes(info.majorMinor);
  // A btrfs has an anonymous device number; its members stand in sysfs, by the name of each.
  if (info.fsType !== "btrfs") return false;
  const directory = `/sys/fs/btrfs/${found.fsid.toLowerCase()}/devices`;
  const names = await world.files.list(directory).catch((): string[] => []);
  const numbers = await Promise.all(
    names.map((name) => readTextIfAny(`${directory}/${name}/dev`, world.files)),
  );
  const source = await world.files.stat(info.mountSource).catch(() => null);
  // By number: mountinfo shows the path that was mounted, which can be a symlink of /dev/disk.
  return source?.kind === "block device" && found.majorMinors.includes(majorMinor(source.rdev)) &&
    numbers.every((number) => number !== undefined && found.majorMinors.includes(number.trim()));
}

/** Why nothing can be served from a mount any more, whatever it is of; `undefined` where it lives. */
export async function deathOf(info: MountInfo, world: World): Promise<string | undefined> {
  const dead = info.superOptions.find((option) => DEAD_OPTIONS.includes(option));
  if (dead !== undefined) return `its file system is dead (${dead})`;
  // An anonymous number: a btrfs, which is known by its source alone, or no device at all.
  const anonymous = info.majorMinor.startsWith("0:");
  if (anonymous && info.fsType !== "btrfs") return undefined;
  const gone = anonymous
    ? world.files.stat(info.mountSource).then((facts) => facts === null)
    : isGone(info.majorMinor, world);
  return await gone.catch(() => false)
    ? `its device "${info.mountSource}" (${info.majorMinor}) is gone`
    : undefined;
}

/** Why a mount of the right source cannot be used; `undefined` where it can. */
async function unfit(
  info: MountInfo,
  spec: MountSpec,
  found: FoundSource,
  world: World,
): Promise<string | undefined> {
  const dead = await deathOf(info, world);
  if (dead !== undefined) return dead;
  for (const number of found.majorMinors) {
    if (await isGone(number, world)) return `its device ${number} is gone`;
  }
  if (!rootMatches(info, spec.data)) return `it is mounted from "${info.root}" of the file system`;
  if (info.superOptions.includes("ro") && !(spec.flags & MS_RDONLY)) {
    return "it is mounted read-only; MNT_OPTIONS=ro would take it for restores alone";
  }
  return undefined;
}

const PER_MOUNT = parseMountOptions(
  "ro,nosuid,nodev,noexec,noatime,nodiratime,relatime,nosymfollow",
).flags;

/** The per-mount part of flags, as the kernel takes it: without a word on atime it is relatime (`path_mount` in `fs/namespace.c`). */
function perMountFlags(flags: number): number {
  const atime = flags & MS_STRICTATIME ? 0 : flags & MS_NOATIME ? MS_NOATIME : MS_RELATIME;
  return (flags & PER_MOUNT & ~(MS_NOATIME | MS_RELATIME)) | atime;
}

/** The per-mount flags of a mount, and those it should have; see {@linkcode perMountFlags}. */
export function compareFlags(info: MountInfo, spec: MountSpec): { actual: number; wanted: number } {
  const shown = parseMountOptions(info.mountOptions.join(",")).flags;
  // mountinfo has no word for strictatime: it is there when neither of the others is.
  return { actual: shown & PER_MOUNT, wanted: perMountFlags(spec.flags) };
}

/**
 * Refuses what is mounted on the target where it is not the source asked for, or cannot serve.
 *
 * @throws {Failure} "mount".
 */
export async function refuseForeign(
  info: MountInfo,
  spec: MountSpec,
  found: FoundSource,
  world: World,
): Promise<void> {
  const there = `"${info.mountSource}" (${info.fsType}) is mounted on "${spec.target}"`;
  if (!await isOfSource(info, found, world)) {
    throw new Failure(
      "mount",
      `Cannot mount ${describeMount(spec)}: ${there}; unmount it, or set another MNT_TARGET`,
    );
  }
  const fault = await unfit(info, spec, found, world);
  if (fault !== undefined) {
    throw new Failure(
      "mount",
      `Cannot take over the mount on "${spec.target}": ${there}, but ${fault}; unmount it first`,
    );
  }
}
