/**
 * Waiting for the disk and mounting it, again and again until `MNT_WAIT` is over.
 *
 * @module
 */
import type { Ahead } from "./ahead.ts";
import { Reminder } from "./announce.ts";
import { askBlkid } from "./ask_blkid.ts";
import { contentOf } from "./blkid.ts";
import { MountError } from "./call_mount.ts";
import type { MountConfig } from "./config.ts";
import { waitForSource } from "./devices.ts";
import { Failure } from "./exit.ts";
import { findBlkid } from "./find_program.ts";
import { errnoName } from "./linux.ts";
import type { TargetLock } from "./lock.ts";
import { type Mounted, mountSource } from "./mount.ts";
import { markIntent } from "./mount_left.ts";
import { isRemote, untilStopped } from "./remote.ts";
import type { Run } from "./run.ts";

/** Pauses between attempts to mount grow from the first to the last. */
const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 30_000;

/**
 * Mounts the disk as soon as it is there; a mount that fails is tried again with growing pauses, each new
 * failure said at once, and again as a {@linkcode Reminder} has it.
 *
 * @param ahead is begun while the disk is mounted, and ended for a wait.
 * @throws {Failure} "no device" or "mount" when `MNT_WAIT` is over, other kinds for what no time cures.
 * @throws the stop signal's name where one came.
 */
export async function mountWhenThere(
  { config, signals, world }: Run,
  mount: MountConfig,
  blkid: string,
  target: string,
  lock: TargetLock,
  ahead: Ahead,
): Promise<Mounted> {
  const { clock, log, progress } = world;
  const stopping = signals.stopping;
  const askType = async (device: string) => {
    const program = blkid === "" ? await findBlkid(config.blkid, world) : blkid;
    const [known] = await askBlkid({ program }, device, world, stopping);
    return known && contentOf(known);
  };
  const startMs = clock.now();
  const deadlineMs = config.waitMs === null ? Infinity : startMs + config.waitMs;
  let pauseMs = FIRST_PAUSE_MS;
  const reminder = new Reminder(clock);
  for (;;) {
    const onWait = () => ahead.dismiss();
    const found = await waitForSource(
      mount,
      { program: blkid },
      deadlineMs,
      world,
      stopping,
      onWait,
    );
    stopping.throwIfAborted();
    ahead.begin();
    const { source, fstype, otherMembers } = found;
    const devices = [source, ...otherMembers];
    progress.enter("mounting", `mounting "${source}" on "${target}"`, { fstype, devices });
    try {
      const left = lock.known();
      await lock.write({ mounting: markIntent(found) });
      const mounting = mountSource(mount, target, found, left, world, askType);
      const mounted = await (isRemote({ found }) ? untilStopped(mounting, stopping) : mounting);
      for (const why of found.warnings) log.warn(why, { event: "disk-warning", why });
      await lock.write({ mount: mounted.ours ? mounted.mark : undefined, mounting: undefined });
      return mounted;
    } catch (error) {
      if (!(error instanceof MountError)) throw error;
      await lock.write({ mounting: undefined });
      // A mount that failed while it was to be given up anyway is nothing to tell.
      stopping.throwIfAborted();
      const { retry, kind } = error.explanation;
      progress.failed(error.message);
      const nowMs = clock.now();
      const remainingMs = deadlineMs - nowMs;
      if (!retry) throw new Failure(kind, error.message, { cause: error });
      if (remainingMs <= 0) {
        const end = `gave up after ${Math.round((nowMs - startMs) / 1000)} s (MNT_WAIT)`;
        throw new Failure("mount", error.followedBy(end), { cause: error });
      }
      // The kernel's own lines can be others each time: that is no new failure.
      if (reminder.isDue(`${error.errno ?? error.message} of ${source}`)) {
        const errno = error.errno === null ? {} : { errno: errnoName(error.errno) };
        const facts = { event: "mount-failed", ...errno, kind, devices, fstype } as const;
        log.warn(error.followedBy("trying again"), facts);
      }
      await ahead.dismiss();
      await clock.sleep(Math.min(pauseMs, remainingMs), stopping);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }
}
