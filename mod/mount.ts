/**
 * Mounting, taking over a mount that is there, proving what is mounted, and unmounting.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import type { FoundSource } from "./devices.ts";
import { Failure } from "./exit.ts";
import {
  blockFilesystems,
  describeMount,
  explainMount,
  explainUnmount,
  type Explanation,
} from "./explain.ts";
import { findHolders } from "./holders.ts";
import { kernelMessages } from "./kmsg.ts";
import {
  ERRNO,
  errnoName,
  majorMinor,
  MS_BIND,
  MS_NOATIME,
  MS_RDONLY,
  MS_RELATIME,
  MS_REMOUNT,
  MS_STRICTATIME,
} from "./linux.ts";
import type { LockRecord, MountMark } from "./lock.ts";
import { formatFlags, parseMountOptions, splitOptions } from "./mount_options.ts";
import { isBelow, mountAt, mountHolding, type MountInfo, parseMountinfo } from "./mountinfo.ts";
import { readTextIfAny, resolveNearest } from "./paths.ts";
import type { MountSpec } from "./source.ts";
import type { World } from "./world.ts";

/** The system calls of mounting; each gives 0 or errno. The one edge that tests may fake. */
export interface Mounter {
  /** mount(2); may take minutes. */
  mount(spec: MountSpec): Promise<number>;
  /** umount2(2), never following a symlink; `detach` is MNT_DETACH. May take minutes. */
  unmount(target: string, options: { readonly detach: boolean }): Promise<number>;
  /** open(2) of a directory for reading. */
  openDirectory(path: string): { readonly fd: number } | { readonly errno: number };
  /** STATX_MNT_ID_UNIQUE of the mount that a descriptor is on, see statx(2); "" before Linux 6.8. */
  uniqueMountId(fd: number): string;
  closeDirectory(fd: number): void;
  /** syncfs(2): whether everything reached the disk. */
  sync(fd: number): Promise<boolean>;
}

/** The kernel's log since it was opened. */
export interface KernelLog {
  /** Raw records of `/dev/kmsg`. */
  read(): string[];
  close(): void;
}

/** A mount that rest-server can be started on. */
export interface Mounted {
  readonly info: MountInfo;
  readonly found: FoundSource;
  /** By which a later run knows it again. */
  readonly mark: MountMark;
  /** Made by this program, now or in an earlier run: to be unmounted at the end. */
  readonly ours: boolean;
  /** A descriptor on its root, which keeps the mount busy: a plain umount elsewhere must fail. */
  readonly rootFd: number;
  /**
   * syncfs(2), one call at a time: whether everything ever written reached the disk. The kernel tells a
   * descriptor of a lost write only once, so a failure is remembered here.
   */
  sync(): Promise<boolean>;
}

/** A mount(2) that failed. */
export class MountError extends Error {
  override name = "MountError";
  readonly explanation: Explanation;
  constructor(readonly spec: MountSpec, readonly errno: number, explanation: Explanation) {
    super(explanation.text);
    this.explanation = explanation;
  }
}

const MOUNTINFO = "/proc/self/mountinfo";
/** How long a busy mount is tried before it is detached. */
const BUSY_LIMIT_MS = 5000;
const BUSY_PAUSE_MS = 100;
/** Super block options of a file system that is dead or gave up writing. */
const DEAD_OPTIONS = ["shutdown", "emergency_ro"];

async function readMounts(world: World): Promise<MountInfo[]> {
  return parseMountinfo(await world.files.readText(MOUNTINFO));
}

/** What mount(2) is given for a source that was found. */
export function mountSpec(mount: MountConfig, target: string, found: FoundSource): MountSpec {
  const members = found.otherMembers.map((path) => `device=${path}`);
  return {
    source: found.source,
    target,
    fstype: found.fstype,
    flags: mount.flags,
    data: [mount.data, ...members].filter((part) => part !== "").join(","),
  };
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
async function isOfSource(info: MountInfo, found: FoundSource, world: World): Promise<boolean> {
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

/** Why a mount of the right source cannot be used; `undefined` where it can. */
async function unfit(
  info: MountInfo,
  spec: MountSpec,
  found: FoundSource,
  world: World,
): Promise<string | undefined> {
  const dead = info.superOptions.find((option) => DEAD_OPTIONS.includes(option));
  if (dead !== undefined) return `its file system is dead (${dead})`;
  for (const number of found.majorMinors) {
    if (await world.files.stat(`/sys/dev/block/${number}`) === null) {
      return `its device ${number} is gone`;
    }
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

async function gatherFacts(
  spec: MountSpec,
  found: FoundSource,
  world: World,
  log: KernelLog | null,
) {
  const { files } = world;
  return {
    mounts: await readMounts(world).catch(() => []),
    filesystems: blockFilesystems(await readTextIfAny("/proc/filesystems", files) ?? ""),
    blkidType: found.blkidType,
    sourceExists: await files.stat(spec.source).catch(() => null) !== null,
    targetExists: await files.stat(spec.target).catch(() => null) !== null,
    root: world.root,
    kernelLines: kernelMessages(log?.read() ?? []),
  };
}

/** mount(2), explained where it fails. */
async function callMount(spec: MountSpec, found: FoundSource, world: World): Promise<void> {
  const kernelLog = world.openKernelLog();
  try {
    const errno = await world.mounter.mount(spec);
    if (errno === 0) return;
    const facts = await gatherFacts(spec, found, world, kernelLog);
    throw new MountError(spec, errno, explainMount(errno, spec, facts));
  } finally {
    kernelLog?.close();
  }
}

/** Makes the flags of a mount that was there those that were asked for. */
async function alignFlags(info: MountInfo, spec: MountSpec, found: FoundSource, world: World) {
  const wanted = perMountFlags(spec.flags);
  const shown = parseMountOptions(info.mountOptions.join(",")).flags;
  // mountinfo has no word for strictatime: it is there when neither of the others is.
  const actual = shown & PER_MOUNT;
  if (wanted === actual) return;
  await callMount({ ...spec, flags: wanted | MS_REMOUNT | MS_BIND, data: "" }, found, world);
  world.log.info(
    `changed the options of the mount on "${spec.target}" from ${formatFlags(actual)} to ${
      formatFlags(wanted)
    }`,
  );
}

function markMount(info: MountInfo, uniqueId: string): MountMark {
  const { mountId, majorMinor, fsType, mountSource } = info;
  return { mountId, majorMinor, fsType, mountSource, uniqueId };
}

function isSameMount(mark: MountMark, left: MountMark | undefined): boolean {
  return left !== undefined && mark.uniqueId === left.uniqueId && mark.mountId === left.mountId &&
    mark.majorMinor === left.majorMinor && mark.fsType === left.fsType &&
    mark.mountSource === left.mountSource;
}

/**
 * Mounts the source, or takes over the mount that is there, and proves that the target is now a mount
 * of the very device asked for.
 *
 * @param target without symlinks; made where it is missing.
 * @param left what an earlier run said about the mount it made.
 * @throws {MountError} where mount(2) fails.
 * @throws {Failure} where something else is mounted there.
 */
export async function mountSource(
  mount: MountConfig,
  target: string,
  found: FoundSource,
  left: LockRecord | undefined,
  world: World,
): Promise<Mounted> {
  const spec = mountSpec(mount, target, found);
  await makeTarget(target, world);
  const before = mountAt(await readMounts(world), target);
  if (before !== undefined) {
    await refuseForeign(before, spec, found, world);
    await alignFlags(before, spec, found, world);
  } else {
    await callMount(spec, found, world);
  }
  const opened = world.mounter.openDirectory(target);
  try {
    if ("errno" in opened) {
      throw new Failure(
        "mount",
        `Cannot open "${target}" after mounting ${describeMount(spec)}: ${errnoName(opened.errno)}`,
      );
    }
    const info = mountAt(await readMounts(world), target);
    if (info === undefined || !await isOfSource(info, found, world)) {
      throw new Failure(
        "mount",
        `Cannot serve: "${target}" is not a mount of "${found.source}" after mount(2) said so; ` +
          "does something else mount there?",
      );
    }
    const mark = markMount(info, world.mounter.uniqueMountId(opened.fd));
    const ours = before === undefined || isSameMount(mark, left?.mount);
    world.log.info(
      before === undefined
        ? `mounted ${describeMount(spec)} with ${formatFlags(spec.flags)}` +
          (spec.data === "" ? "" : `,${spec.data}`)
        : `took over the mount of ${describeMount(spec)} that was there` +
          (ours ? ", left by an earlier run" : "; it stays mounted at the end"),
      { source: spec.source, target, fstype: spec.fstype },
    );
    let synced = Promise.resolve(true);
    const sync = () =>
      synced = synced.then(async (clean) => await world.mounter.sync(opened.fd) && clean);
    return { info, found, mark, ours, rootFd: opened.fd, sync };
  } catch (error) {
    if ("fd" in opened) world.mounter.closeDirectory(opened.fd);
    if (before === undefined) await world.mounter.unmount(target, { detach: true });
    throw error;
  }
}

async function makeTarget(target: string, world: World): Promise<void> {
  try {
    await world.files.makeDirectory(target);
  } catch (error) {
    throw new Failure(
      "configuration",
      `Cannot make the directory "${target}": ${error instanceof Error ? error.message : error}; ` +
        "set MNT_TARGET to a directory on a writable file system",
      { cause: error },
    );
  }
}

async function refuseForeign(
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

/**
 * Proves that a path lies on the mount, by its nearest existing parent.
 *
 * @throws {Failure} "configuration" where a symlink or another mount leads off the disk.
 */
export async function requireOnMount(path: string, mounted: Mounted, world: World): Promise<void> {
  const { existing } = await resolveNearest(path, world.files).catch((error) => {
    throw new Failure(
      "configuration",
      `Cannot serve --path "${path}": ${error.message}; see its symlinks, or give another --path`,
      { cause: error },
    );
  });
  const holder = mountHolding(await readMounts(world), existing);
  if (holder?.mountId === mounted.info.mountId && isBelow(existing, mounted.info.mountPoint)) {
    return;
  }
  throw new Failure(
    "configuration",
    `Cannot serve --path "${path}": "${existing}" lies on "${holder?.mountPoint}" ` +
      `(${holder?.fsType}), not on the disk mounted on "${mounted.info.mountPoint}"; ` +
      "see its symlinks, or give another --path",
  );
}

/**
 * Writes everything back and unmounts; after {@linkcode BUSY_LIMIT_MS} of EBUSY it only detaches.
 *
 * @returns whether the file system is really unmounted (or was not ours to unmount).
 */
export async function unmount(mounted: Mounted, world: World): Promise<boolean> {
  const { mounter, clock, log } = world;
  const target = mounted.info.mountPoint;
  let clean = await mounted.sync();
  if (!clean) {
    log.error(
      `Cannot write everything to "${mounted.found.source}": the disk refused; ` +
        "see the kernel log, and run restic check",
    );
  }
  mounter.closeDirectory(mounted.rootFd);
  if (!mounted.ours) {
    log.info(`left "${target}" mounted, as it was found`);
    return clean;
  }
  const top = mountAt(await readMounts(world).catch(() => []), target);
  if (top === undefined || top.mountId !== mounted.info.mountId) {
    log.warn(
      top === undefined
        ? `"${target}" was unmounted by somebody else`
        : `"${target}" is covered by another mount, of "${top.mountSource}"; both are left there`,
    );
    return top === undefined && clean;
  }

  const giveUpMs = clock.now() + BUSY_LIMIT_MS;
  let said = false;
  for (;;) {
    const errno = await mounter.unmount(target, { detach: false });
    if (errno === 0) {
      log.info(`unmounted "${target}"`);
      return clean;
    }
    if (errno !== ERRNO.EBUSY || clock.now() >= giveUpMs) {
      const holders = errno === ERRNO.EBUSY ? await findHolders(target, world) : [];
      log.error(
        `${explainUnmount(errno, target, holders)}; detaching it lazily: it stays in use ` +
          "until they are gone, so do not unplug the disk before",
      );
      break;
    }
    if (!said) {
      said = true;
      const holders = await findHolders(target, world);
      log.warn(
        `${explainUnmount(errno, target, holders)}; trying on for ${BUSY_LIMIT_MS / 1000} s`,
      );
    }
    await clock.sleep(BUSY_PAUSE_MS);
  }
  clean = false;
  const errno = await mounter.unmount(target, { detach: true });
  if (errno !== 0) log.error(explainUnmount(errno, target, []));
  return clean;
}
