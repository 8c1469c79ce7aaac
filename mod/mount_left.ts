/**
 * The mount that an earlier run left: known again, and cleared where its disk is gone.
 *
 * @module
 */
import { deathOf, readMounts } from "./existing.ts";
import { errnoName } from "./linux.ts";
import type { FoundSource } from "./found.ts";
import type { LockNotes, MountIntent, MountMark } from "./lock.ts";
import { isSameSource, mountAt, type MountInfo } from "./mountinfo.ts";
import { hideOwnSecrets } from "./secrets.ts";
import { explainUnmount } from "./unmount_reasons.ts";
import type { World } from "./world.ts";

/** The mark of a mount, for {@linkcode isSameMount} of a later run. */
export function markMount(info: MountInfo, uniqueId: string): MountMark {
  const { mountId, majorMinor, fsType } = info;
  // It goes into the lock file: there no password of a share may stand.
  return { mountId, majorMinor, fsType, mountSource: hideOwnSecrets(info.mountSource), uniqueId };
}

/** What is about to be mounted, for {@linkcode isLeft} of a later run. */
export function markIntent({ source, fstype }: FoundSource): MountIntent {
  return { fsType: fstype, mountSource: hideOwnSecrets(source) };
}

/** Whether an earlier run made a mount: it says so, or it was killed while it made it. */
export function isLeft(mark: MountMark, left: LockNotes): boolean {
  const intent = left.mounting;
  return isSameMount(mark, left.mount) ||
    (intent !== undefined && isSameSource(mark, intent));
}

/** Whether a mount is the one that an earlier run made. */
function isSameMount(mark: MountMark, left: MountMark | undefined): boolean {
  return left !== undefined && mark.uniqueId === left.uniqueId && mark.mountId === left.mountId &&
    mark.majorMinor === left.majorMinor && isSameSource(mark, left);
}

/**
 * The mount on the target that is to be judged: a dead one that an earlier run made is cleared first.
 */
export async function clearDead(
  target: string,
  left: LockNotes,
  world: World,
): Promise<MountInfo | undefined> {
  const there = mountAt(await readMounts(world), target);
  const dead = there && await deathOf(there, world);
  if (there === undefined || dead === undefined) return there;
  const uniqueId = world.mounter.uniqueMountIdAt(target);
  // A file system that is too dead to tell its id is known by all that mountinfo says.
  const mark = markMount(there, uniqueId === "" ? left.mount?.uniqueId ?? "" : uniqueId);
  if (!isLeft(mark, left)) return there;
  const errno = await world.mounter.unmount(target, { detach: true });
  world.log.warn(
    errno === 0
      ? `detached the mount of "${there.mountSource}" on "${target}" that an earlier run left: ${dead}`
      : explainUnmount(errno, target, []),
    errno === 0 ? { event: "detached" } : { event: "unmount-failed", errno: errnoName(errno) },
  );
  return mountAt(await readMounts(world), target);
}
