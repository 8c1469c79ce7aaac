/**
 * Mounting, or taking over the mount that is there, and proving what is mounted.
 *
 * @module
 */
import { announced } from "./announce.ts";
import type { MountConfig } from "./config.ts";
import { compareFlags, deathOf, isOfSource, readMounts, refuseForeign } from "./existing.ts";
import { Failure, fileFailure, messageOf } from "./exit.ts";
import type { AskType } from "./diagnose.ts";
import type { Explanation } from "./explain.ts";
import { UNCLEAN } from "./kmsg.ts";
import { ERRNO, errnoName, MS_BIND, MS_REMOUNT } from "./linux.ts";
import type { LockRecord, MountMark } from "./lock.ts";
import { readDiskSequence } from "./disks.ts";
import type { FoundSource } from "./found.ts";
import { formatFlags } from "./mount_options.ts";
import { hideOwnSecrets, maskSecrets } from "./secrets.ts";
import { isBelow, mountAt, mountHolding, type MountInfo, placeOf } from "./mountinfo.ts";
import { resolveNearest } from "./paths.ts";
import { isRemote } from "./remote.ts";
import { describeMount, type MountSpec } from "./source.ts";
import { explainUnmount } from "./unmount_reasons.ts";
import type { World } from "./world.ts";

/** The system calls of mounting; each gives 0 or errno. The one edge that tests may fake. */
export interface Mounter {
  /** mount(2); may take minutes. */
  mount(spec: MountSpec): Promise<number>;
  /** umount2(2), never following a symlink; `detach` is MNT_DETACH. May take minutes. */
  unmount(target: string, options: { readonly detach: boolean }): Promise<number>;
  /** umount2(2) with MNT_FORCE: calls that wait for a server that is away fail; a mount in use stays. */
  giveUp(target: string): Promise<void>;
  /** open(2) of a directory for reading. */
  openDirectory(path: string): { readonly fd: number } | { readonly errno: number };
  /** STATX_MNT_ID_UNIQUE of the mount that a descriptor is on, see statx(2); "" before Linux 6.8. */
  uniqueMountId(fd: number): string;
  /** The same of the mount on a path; "" where its file system is too dead to tell, too. */
  uniqueMountIdAt(path: string): string;
  /** Whether a file system on this device lives on in the kernel: open(2) with O_EXCL says EBUSY. */
  isInUse(device: string): boolean;
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

/** File systems that keep no owners: the mount gives them. */
const WITHOUT_OWNERS: readonly string[] = ["vfat", "exfat"];

/** The data that makes a file system without owners belong to the user of `MNT_USER`, less what is given. */
export function ownerData(fstype: string, user: MountConfig["user"], given: string): string[] {
  if (user === null || !WITHOUT_OWNERS.includes(fstype)) return [];
  const names = given.split(",").map((part) => part.split("=")[0]);
  const has = (...any: string[]) => any.some((name) => names.includes(name));
  return [
    ...has("uid") ? [] : [`uid=${user.uid}`],
    ...has("gid") ? [] : [`gid=${user.gid}`],
    ...has("umask", "dmask", "fmask") ? [] : ["umask=0077"],
  ];
}

/** What mount(2) is given for a source that was found. */
export function mountSpec(mount: MountConfig, target: string, found: FoundSource): MountSpec {
  const owner = ownerData(found.fstype, mount.user, mount.data);
  const members = found.otherMembers.map((path) => `device=${path}`);
  return {
    source: found.source,
    target,
    fstype: found.fstype,
    flags: mount.flags,
    data: [mount.data, ...owner, ...members].filter((part) => part !== "").join(","),
  };
}

/**
 * mount(2), explained where it fails.
 *
 * @returns what the kernel said against the file system, though it mounted it; mostly nothing.
 */
async function callMount(
  spec: MountSpec,
  found: FoundSource,
  askType: AskType,
  world: World,
): Promise<string | undefined> {
  const kernelLog = world.openKernelLog();
  try {
    const call = world.mounter.mount(spec);
    const errno = await announced(`mount(2) of ${describeMount(spec)}`, call, world);
    const records = kernelLog?.read() ?? [];
    if (errno === 0 && !records.some((record) => UNCLEAN.test(record))) return undefined;
    const diagnosis = import("./diagnose.ts");
    if (errno === 0) {
      const warning = diagnosis.then((it) => it.findWarning(spec, found, records, world));
      // What is mounted by now is not given up for want of a warning.
      return await warning.catch(() => undefined);
    }
    const { diagnose } = await diagnosis;
    const explanation = await diagnose(errno, spec, found, records, askType, world);
    throw new MountError(spec, errno, explanation);
  } finally {
    kernelLog?.close();
  }
}

/** Makes the flags of a mount that was there those that were asked for. */
async function alignFlags(
  info: MountInfo,
  spec: MountSpec,
  found: FoundSource,
  askType: AskType,
  world: World,
): Promise<void> {
  const { actual, wanted } = compareFlags(info, spec);
  if (wanted === actual) return;
  const remount = { ...spec, flags: wanted | MS_REMOUNT | MS_BIND, data: "" };
  await callMount(remount, found, askType, world);
  world.log.info(
    `changed the options of the mount on "${spec.target}" from ${formatFlags(actual)} to ${
      formatFlags(wanted)
    }`,
    { event: "mount-changed", options: formatFlags(wanted) },
  );
}

/**
 * Waits until an export that is mounted already answers. Nothing may ask it before: without a word it would
 * wait as long as the server is away, or take its silence for a fault of the configuration.
 *
 * @throws {MountError} to be tried again.
 */
async function awaitServer(spec: MountSpec, world: World): Promise<void> {
  const { target, source } = spec;
  if (mountAt(await readMounts(world), target) === undefined) return;
  try {
    // stat(2) would be answered from the cache, open(2) asks the server.
    await announced(`a look at "${target}"`, world.files.list(target), world);
  } catch (error) {
    throw new MountError(spec, ERRNO.ETIMEDOUT, {
      retry: true,
      kind: "mount",
      text: `Cannot take over the mount of "${source}" on "${target}": ${messageOf(error)}; ` +
        "see the network and the server",
    });
  }
}

function markMount(info: MountInfo, uniqueId: string): MountMark {
  const { mountId, majorMinor, fsType } = info;
  // It goes into the lock file: there no password of a share may stand.
  return { mountId, majorMinor, fsType, mountSource: hideOwnSecrets(info.mountSource), uniqueId };
}

function isSameMount(mark: MountMark, left: MountMark | undefined): boolean {
  return left !== undefined && mark.uniqueId === left.uniqueId && mark.mountId === left.mountId &&
    mark.majorMinor === left.majorMinor && mark.fsType === left.fsType &&
    mark.mountSource === left.mountSource;
}

/**
 * The mount on the target that is to be judged: a dead one that an earlier run made is cleared first.
 */
async function clearDead(
  target: string,
  left: LockRecord | undefined,
  world: World,
): Promise<MountInfo | undefined> {
  const there = mountAt(await readMounts(world), target);
  const dead = there && await deathOf(there, world);
  if (there === undefined || dead === undefined) return there;
  const uniqueId = world.mounter.uniqueMountIdAt(target);
  // A file system that is too dead to tell its id is known by all that mountinfo says.
  const mark = markMount(there, uniqueId === "" ? left?.mount?.uniqueId ?? "" : uniqueId);
  if (!isSameMount(mark, left?.mount)) return there;
  const errno = await world.mounter.unmount(target, { detach: true });
  world.log.warn(
    errno === 0
      ? `detached the mount of "${there.mountSource}" on "${target}" that an earlier run left: ${dead}`
      : explainUnmount(errno, target, []),
    errno === 0 ? { event: "detached" } : { event: "unmount-failed", errno: errnoName(errno) },
  );
  return mountAt(await readMounts(world), target);
}

/**
 * A file system that was detached lives on in the kernel until nobody holds it: mount(2) would give the
 * same dead one again.
 *
 * @throws {MountError} to be tried again.
 */
async function requireUnused(spec: MountSpec, found: FoundSource, world: World): Promise<void> {
  if (found.majorMinors.length === 0) return;
  const devices = [found.source, ...found.otherMembers];
  const inUse = devices.find((device) => world.mounter.isInUse(device));
  // The list of mounts can be long: it is read only where it has something to explain.
  if (inUse === undefined) return;
  for (const mount of await readMounts(world)) {
    if (await isOfSource(mount, found, world)) return;
  }
  throw new MountError(spec, ERRNO.EBUSY, {
    retry: true,
    kind: "mount",
    text:
      `Cannot mount ${
        describeMount(spec)
      }: "${inUse}" is in use, though no mount here shows it: a ` +
      "file system that was detached is held by some process, or another mount namespace has it mounted",
  });
}

/**
 * Mounts the source, or takes over the mount that is there, and proves that the target is now a mount
 * of the very device asked for.
 *
 * @param target without symlinks; made where it is missing.
 * @param left what an earlier run said about the mount it made.
 * @param askType is asked where a mount fails and nobody knows what is on the disk.
 * @throws {MountError} where mount(2) fails.
 * @throws {Failure} where something else is mounted there.
 */
export async function mountSource(
  mount: MountConfig,
  target: string,
  found: FoundSource,
  left: LockRecord | undefined,
  world: World,
  askType: AskType = () => Promise.resolve(undefined),
): Promise<Mounted> {
  const spec = mountSpec(mount, target, found);
  if (isRemote({ found })) await awaitServer(spec, world);
  await makeTarget(target, world);
  // A wait can be long: mount(2) would follow a symlink that came meanwhile, off the place that is locked.
  const real = await world.files.realPath(target);
  if (real !== target) {
    throw new Failure(
      "mount",
      `Cannot mount ${describeMount(spec)}: "${target}" has become a symlink to "${real}"; ` +
        "remove it, or set another MNT_TARGET",
    );
  }
  const before = await clearDead(target, left, world);
  let warning: string | undefined;
  if (before !== undefined) {
    await refuseForeign(before, spec, found, world);
    await alignFlags(before, spec, found, askType, world);
  } else {
    await requireUnused(spec, found, world);
    warning = await callMount(spec, found, askType, world);
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
    const changed = await swapped(found, world);
    if (changed !== undefined) throw new MountError(spec, 0, changed);
    if (info === undefined || !await isOfSource(info, found, world)) {
      throw new Failure(
        "mount",
        `Cannot serve: "${target}" is not a mount of "${found.source}" after mount(2) said so; ` +
          "does something else mount there?",
      );
    }
    const mark = markMount(info, world.mounter.uniqueMountId(opened.fd));
    const ours = before === undefined || isSameMount(mark, left?.mount);
    const options = formatFlags(spec.flags) +
      (spec.data === "" ? "" : `,${maskSecrets(spec.data)}`);
    world.log.info(
      before === undefined
        ? `mounted ${describeMount(spec)} with ${options}`
        : `took over the mount of ${describeMount(spec)} that was there` +
          (ours ? ", left by an earlier run" : "; it stays mounted at the end"),
      {
        event: "mounted",
        devices: [found.source, ...found.otherMembers],
        fstype: spec.fstype,
        options,
        ours,
      },
    );
    if (warning !== undefined) world.log.warn(warning, { event: "disk-warning" });
    let synced = Promise.resolve(true);
    const sync = () =>
      synced = synced.then(async (clean) => await world.mounter.sync(opened.fd) && clean);
    return { info, found, mark, ours, rootFd: opened.fd, sync };
  } catch (error) {
    if ("fd" in opened) world.mounter.closeDirectory(opened.fd);
    if (before === undefined) await undoMount(spec, found, world);
    throw error;
  }
}

/** Whether another disk took the number of one that was found, between blkid and mount(2). */
async function swapped(found: FoundSource, world: World): Promise<Explanation | undefined> {
  for (const [number, sequence] of found.diskSequences ?? []) {
    if (await readDiskSequence(number, world) === sequence) continue;
    return {
      retry: true,
      kind: "mount",
      text: `Cannot serve "${found.source}": another disk was put in its place meanwhile`,
    };
  }
  return undefined;
}

/** Takes down a mount that failed its proof; what somebody else mounted over it stays. */
async function undoMount(spec: MountSpec, found: FoundSource, world: World): Promise<void> {
  const top = mountAt(await readMounts(world).catch(() => []), spec.target);
  if (top !== undefined && await isOfSource(top, found, world)) {
    await world.mounter.unmount(spec.target, { detach: true });
    return;
  }
  world.log.error(
    `Cannot unmount "${spec.target}" again: ${
      top === undefined
        ? "it is hidden"
        : `"${top.mountSource}" (${top.fsType}) was mounted over it`
    }; unmount "${spec.source}" by hand`,
    { event: "unmount-failed" },
  );
}

async function makeTarget(target: string, world: World): Promise<void> {
  try {
    await world.files.makeDirectory(target);
  } catch (error) {
    throw new Failure(
      fileFailure(error),
      `Cannot make the directory "${target}": ${messageOf(error)}; ` +
        "set MNT_TARGET to a directory on a writable file system",
      { cause: error },
    );
  }
}

/**
 * Proves that a path lies on the mount, by its nearest existing parent.
 *
 * @throws {Failure} "configuration" where a symlink or another mount leads off the disk, "mount" where
 * the disk itself is no longer there.
 */
export async function requireOnMount(
  path: string,
  mounted: Pick<Mounted, "info" | "found">,
  world: World,
): Promise<void> {
  const { existing } = await resolveNearest(path, world.files).catch((error) => {
    throw new Failure(
      fileFailure(error),
      `Cannot serve --path "${path}": ${error.message}; see its symlinks, or give another --path`,
      { cause: error },
    );
  });
  const mounts = await readMounts(world);
  const { mountId, mountPoint } = mounted.info;
  if (placeOf(mounted.info, mounts).kind !== "on its target") {
    throw new Failure(
      "mount",
      `Cannot serve: "${mounted.found.source}" is no longer what is mounted on "${mountPoint}"; ` +
        "does something else mount or unmount there?",
    );
  }
  const holder = mountHolding(mounts, existing);
  if (holder?.mountId === mountId && isBelow(existing, mountPoint)) return;
  throw new Failure(
    "configuration",
    `Cannot serve --path "${path}": "${existing}" lies on "${holder?.mountPoint}" ` +
      `(${holder?.fsType}), not on the disk mounted on "${mountPoint}"; ` +
      "see its symlinks, or give another --path",
  );
}
