/**
 * Unmounting.
 *
 * @module
 */
import { announced } from "./announce.ts";
import { readMounts } from "./existing.ts";
import { explainUnmount } from "./explain.ts";
import { findHolders } from "./holders.ts";
import { ERRNO } from "./linux.ts";
import type { Mounted } from "./mount.ts";
import { mountAt } from "./mountinfo.ts";
import type { World } from "./world.ts";

/** How long a busy mount is tried before it is detached. */
const BUSY_LIMIT_MS = 5000;
const BUSY_PAUSE_MS = 100;

/**
 * Writes everything back and unmounts; after {@linkcode BUSY_LIMIT_MS} of EBUSY it only detaches.
 *
 * @returns whether the file system is really unmounted (or was not ours to unmount).
 */
export async function unmount(mounted: Mounted, world: World): Promise<boolean> {
  const { mounter, clock, log } = world;
  const target = mounted.info.mountPoint;
  let clean = await announced(`syncfs(2) of "${target}"`, mounted.sync(), world);
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
    const call = mounter.unmount(target, { detach: false });
    const errno = await announced(`umount2(2) of "${target}"`, call, world);
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
