/**
 * Unmounting.
 *
 * @module
 */
import { announced } from "./announce.ts";
import { isOfSource, readMounts } from "./existing.ts";
import { findHolders } from "./holders.ts";
import { ERRNO, errnoName } from "./linux.ts";
import type { Mounted } from "./mount.ts";
import { placeOf } from "./mountinfo.ts";
import { isRemote, patientCall } from "./remote.ts";
import { explainUnmount, retriesUnmount } from "./unmount_reasons.ts";
import type { World } from "./world.ts";

/** How long a busy mount is tried before it is detached. */
const BUSY_LIMIT_MS = 5000;
const BUSY_PAUSE_MS = 100;
/** How long the server of an export may take to write everything back, and to let go. */
const REMOTE_SYNC_MS = 30_000;
const REMOTE_UNMOUNT_MS = 10_000;

/** Where our own mount is by now: "on its target", "gone", or what keeps its path from leading to it. */
async function describePlace({ info }: Mounted, world: World): Promise<string> {
  const place = placeOf(info, await readMounts(world).catch(() => [info]));
  if (place.kind === "moved") return `was moved to "${place.to}" and is left there`;
  if (place.kind === "hidden") {
    return `is covered by another mount, of "${place.by?.mountSource}"; both are left there`;
  }
  return place.kind;
}

/** Why a syncfs(2) failed that gave false, or nothing at all. */
function explainSync(synced: false | null, mounted: Mounted): string {
  if (!isRemote(mounted)) return "the disk refused; see the kernel log, and run restic check";
  const state = synced === null
    ? `the server did not answer within ${REMOTE_SYNC_MS / 1000} s`
    : "the server refused, or did not answer in time";
  return `${state}; check the network and the server, then run restic check`;
}

/**
 * Writes everything back and unmounts; after {@linkcode BUSY_LIMIT_MS} of EBUSY, or of what else can pass,
 * it only detaches.
 *
 * @returns whether the file system is really unmounted (or was not ours to unmount).
 */
export async function unmount(mounted: Mounted, world: World): Promise<boolean> {
  const { clock, log } = world;
  const target = mounted.info.mountPoint;
  world.progress.enter("unmounting", `unmounting "${target}"`);
  const syncing = `syncfs(2) of "${target}"`;
  const synced = await patientCall(syncing, mounted.sync(), REMOTE_SYNC_MS, mounted, world);
  const clean = synced === true;
  if (!synced) {
    const why = explainSync(synced, mounted);
    log.error(`Cannot write everything to "${mounted.found.source}": ${why}`, {
      event: "sync-failed",
    });
  }
  await closeRoot(mounted, world);
  if (!mounted.ours) {
    const text = `left "${target}" mounted: it was mounted before this program came`;
    log.info(text, { event: "left-mounted" });
    return clean;
  }
  const giveUpMs = clock.now() + BUSY_LIMIT_MS;
  let said = false;
  for (;;) {
    // Looked at anew each time: what somebody mounts over it meanwhile is not ours to unmount.
    const place = await describePlace(mounted, world);
    if (place !== "on its target") {
      log.warn(
        place === "gone"
          ? `"${target}" was unmounted by somebody else`
          : `Cannot unmount "${target}": it ${place}`,
        { event: "unmount-failed", why: place },
      );
      return place === "gone" && clean;
    }
    const errno = await callUnmount(mounted, false, world);
    if (errno === null) {
      const facts = { event: "unmount-failed", why: "it hangs" } as const;
      log.error(`Cannot unmount "${target}": the call hangs; detaching it lazily`, facts);
      break;
    }
    if (errno === 0) {
      log.info(`unmounted "${target}"`, { event: "unmounted" });
      await sayInUse(mounted, world);
      return clean;
    }
    if (!retriesUnmount(errno) || clock.now() >= giveUpMs) {
      const holders = errno === ERRNO.EBUSY ? await findHolders(target, world) : [];
      log.error(
        `${explainUnmount(errno, target, holders)}; detaching it lazily (MNT_DETACH): do not ` +
          "unplug the disk until " +
          (holders.length > 0 ? "these are gone" : "nothing uses it any more"),
        { event: "unmount-failed", errno: errnoName(errno), holders },
      );
      break;
    }
    if (!said) {
      said = true;
      const holders = await findHolders(target, world);
      log.warn(
        `${explainUnmount(errno, target, holders)}; trying again for ${BUSY_LIMIT_MS / 1000} s`,
        { event: "unmount-failed", errno: errnoName(errno), holders },
      );
    }
    await clock.sleep(BUSY_PAUSE_MS);
  }
  await callDetach(mounted, world);
  return false;
}

/** Says that a disk is not to be unplugged yet: other mounts of it are there, here or in another namespace. */
async function sayInUse({ found }: Mounted, world: World): Promise<void> {
  if (found.majorMinors.length === 0) return;
  for (const device of [found.source, ...found.otherMembers]) {
    const look = world.mounter.isInUse(device);
    if (!await announced(`open(2) of "${device}"`, look, world)) continue;
    let where = "some process, or another mount namespace, has it mounted";
    for (const mount of await readMounts(world).catch(() => [])) {
      if (await isOfSource(mount, found, world)) {
        where = `it is mounted on "${mount.mountPoint}", too`;
      }
    }
    const text = `"${device}" is still in use: ${where}; do not unplug it yet`;
    return world.log.warn(text, { event: "disk-warning", why: where });
  }
}

/** Lets go of the mount. Where it was taken away already, its file system ends here, after a sync. */
async function closeRoot(mounted: Mounted, world: World): Promise<void> {
  const call = world.mounter.closeDirectory(mounted.rootFd);
  const what = `close(2) of "${mounted.info.mountPoint}"`;
  await patientCall(what, call, REMOTE_UNMOUNT_MS, mounted, world);
}

/** umount2(2); `null` where it waits for a server that is away. */
function callUnmount(mounted: Mounted, detach: boolean, world: World): Promise<number | null> {
  const target = mounted.info.mountPoint;
  const call = world.mounter.unmount(target, { detach });
  const what = `umount2(2) of "${target}"`;
  return patientCall(what, call, REMOTE_UNMOUNT_MS, mounted, world);
}

/** MNT_DETACH; says it where the mount stays, and gives whether it is gone from the target. */
async function callDetach(mounted: Mounted, world: World): Promise<boolean> {
  const target = mounted.info.mountPoint;
  const errno = await callUnmount(mounted, true, world);
  if (errno === 0) return true;
  // The kernel takes it off the target first, and only then waits for the server.
  if (errno === null && await describePlace(mounted, world) === "gone") return true;
  const event = "unmount-failed";
  if (errno === null) {
    world.log.error(`Cannot detach "${target}": the call hangs`, { event, why: "it hangs" });
  } else {
    world.log.error(explainUnmount(errno, target, []), { event, errno: errnoName(errno) });
  }
  return false;
}

/**
 * Says which of the mounts that could not be detached when their disk was lost are there still.
 *
 * @returns whether any is.
 */
export async function sayLeft(left: readonly Mounted[], world: World): Promise<boolean> {
  let any = false;
  for (const mounted of left) {
    const place = await describePlace(mounted, world);
    if (place === "gone") continue;
    any = true;
    const { mountPoint, mountSource } = mounted.info;
    world.log.error(
      `"${mountSource}" is still mounted: "${mountPoint}" ${place}; unmount it by hand`,
      { event: "unmount-failed", why: place },
    );
  }
  return any;
}

/**
 * Takes a lost mount out of the way, with no sync, for that may never end.
 *
 * @returns whether nothing of ours is left of it.
 */
export async function detach(mounted: Mounted, world: World): Promise<boolean> {
  const { log } = world;
  const target = mounted.info.mountPoint;
  world.progress.enter("unmounting", `detaching "${target}"`);
  await closeRoot(mounted, world);
  if (!mounted.ours) {
    const text = `left "${target}" mounted: it was mounted before this program came; unmount it`;
    log.warn(text, { event: "left-mounted" });
    return true;
  }
  const place = await describePlace(mounted, world);
  if (place !== "on its target") {
    const facts = { event: "unmount-failed", why: place } as const;
    if (place !== "gone") log.warn(`Cannot detach "${target}": it ${place}`, facts);
    return place === "gone";
  }
  const detached = await callDetach(mounted, world);
  if (detached) {
    log.info(`detached "${target}"; it is served again as soon as the disk is back`, {
      event: "detached",
    });
  }
  return detached;
}
