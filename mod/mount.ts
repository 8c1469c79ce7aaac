/**
 * Mounting, or taking over the mount that is there, and proving what is mounted.
 *
 * @module
 */
import { announced } from "./announce.ts";
import { alignFlags, awaitServer, callMount, MountError, requireUnused } from "./call_mount.ts";
import type { MountConfig } from "./config.ts";
import type { AskType } from "./diagnose.ts";
import { readDiskSequence } from "./disks.ts";
import { deathOf, isOfSource, readMounts, refuseForeign } from "./existing.ts";
import { Failure, fileFailure, messageOf } from "./exit.ts";
import type { Explanation } from "./explain.ts";
import type { FoundSource } from "./found.ts";
import { errnoName } from "./linux.ts";
import type { LockNotes, MountMark } from "./lock.ts";
import { clearDead, isLeft, markMount } from "./mount_left.ts";
import { formatFlags } from "./mount_options.ts";
import { mountSpec } from "./mount_spec.ts";
import { isBelow, mountAt, mountHolding, type MountInfo, placeOf } from "./mountinfo.ts";
import { resolveNearest } from "./paths.ts";
import { isRemote } from "./remote.ts";
import { maskSecrets } from "./secrets.ts";
import { describeMount, type MountSpec } from "./source.ts";
import type { World } from "./world.ts";

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
  left: LockNotes,
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
  const opening = world.mounter.openDirectory(target);
  const opened = await announced(`open(2) of "${target}"`, opening, world);
  try {
    if ("errno" in opened) {
      throw new Failure(
        "mount",
        `Cannot open "${target}" after mounting ${describeMount(spec)}: ` +
          `${errnoName(opened.errno)}; check the kernel log and the disk`,
      );
    }
    const info = mountAt(await readMounts(world), target);
    const changed = await swapped(found, world);
    if (changed !== undefined) throw new MountError(spec, null, changed);
    if (info === undefined || !await isOfSource(info, found, world)) {
      throw new Failure(
        "mount",
        `Cannot serve: "${target}" is not a mount of "${found.source}" after mount(2) said so; ` +
          "does something else mount there?",
      );
    }
    const death = await deathOf(info, world);
    if (death !== undefined) throw stillDead(spec, death);
    const mark = markMount(info, world.mounter.uniqueMountId(opened.fd));
    const ours = before === undefined || isLeft(mark, left);
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
    if ("fd" in opened) await world.mounter.closeDirectory(opened.fd);
    if (before === undefined) await undoMount(spec, found, world);
    throw error;
  }
}

/** The kernel gave back a file system that was dead before: its device was free, but for a moment. */
function stillDead(spec: MountSpec, death: string): MountError {
  const text = `Cannot serve "${spec.source}": ${death}; it is to be unmounted everywhere first`;
  return new MountError(spec, null, { retry: true, kind: "mount", text });
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
 * @returns the path without symlinks.
 * @throws {Failure} "configuration" where a symlink or another mount leads off the disk, "mount" where
 * the disk itself is no longer there.
 */
export async function requireOnMount(
  path: string,
  mounted: Pick<Mounted, "info" | "found">,
  world: World,
): Promise<string> {
  const { existing, real } = await resolveNearest(path, world.files).catch((error) => {
    throw new Failure(
      fileFailure(error),
      `Cannot serve --path "${path}": ${error.message}; check its symlinks, or give another --path`,
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
  if (holder?.mountId === mountId && isBelow(existing, mountPoint)) return real;
  throw new Failure(
    "configuration",
    `Cannot serve --path "${path}": "${existing}" lies on "${holder?.mountPoint}" ` +
      `(${holder?.fsType}), not on the disk mounted on "${mountPoint}"; ` +
      "check its symlinks, or give another --path",
  );
}
