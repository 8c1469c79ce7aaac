/**
 * Waiting for the disk: by events of /dev and a glance at /proc/partitions, until the source means
 * something that can be mounted.
 *
 * @module
 */
import { REMIND_AFTER_MS, Reminder } from "./announce.ts";
import type { Blkid } from "./ask_blkid.ts";
import type { MountConfig } from "./config.ts";
import { type DiskList, listDisks } from "./disks.ts";
import { Failure } from "./exit.ts";
import type { FoundSource } from "./found.ts";
import { lookOnce } from "./look.ts";
import type { SourceSpec } from "./source.ts";
import type { World } from "./world.ts";

/** How often to look where no event tells of a change. */
const LOOK_MS = 1000;
/** Pauses after which a look that failed is made again grow from the first to the last. */
const FIRST_AGAIN_MS = 5000;
const LAST_AGAIN_MS = 60_000;
/** New disks and their partitions come as a burst: one blkid once nothing was new for a moment. */
const SETTLE_MS = 50;
/** A list that never comes to rest is looked at all the same. */
const SETTLE_ROUNDS = 50;
/** How long a degraded btrfs waits for its other members. */
const DEGRADED_WAIT_MS = 60_000;

/** A glance at the disks that touches none. */
interface Glance {
  readonly disks: DiskList;
  /** Another one tells that something has changed. */
  readonly fingerprint: string;
}

async function glance(spec: SourceSpec, world: World): Promise<Glance> {
  const disks = await listDisks(world);
  // Two disks of one size that are exchanged quickly leave the list as it was.
  const seen = `${disks.partitions}\n${[...disks.sequences].join(" ")}`;
  if (spec.kind !== "path") return { disks, fingerprint: seen };
  const facts = await world.files.stat(spec.path).catch(() => null);
  return { disks, fingerprint: `${seen}\n${facts?.kind} ${facts?.rdev}` };
}

/**
 * Waits until the source means something that can be mounted.
 *
 * @param deadlineMs on the world's clock; one look is always made.
 * @param onWait called where the first look has found nothing.
 * @throws {Failure} "no device" at the deadline; other kinds for what no waiting can cure.
 * @throws the reason of `signal` where that is aborted first.
 */
export async function waitForSource(
  mount: MountConfig,
  blkid: Blkid,
  deadlineMs: number,
  world: World,
  signal: AbortSignal,
  onWait: () => Promise<void> = () => Promise.resolve(),
): Promise<FoundSource> {
  const { clock, log, progress } = world;
  const startMs = clock.now();
  let softSinceMs: number | undefined;
  const reminder = new Reminder(clock);
  let seen = await glance(mount.source, world);
  let result = await lookOnce(mount, blkid, world, signal, seen.disks);
  let lookedMs = clock.now();
  let againMs = FIRST_AGAIN_MS;
  signal.throwIfAborted();
  if (result.kind === "found") return result.found;

  await onWait();
  using events = closing(world.watchDevices());
  for (;;) {
    signal.throwIfAborted();
    if (result.kind === "found") return result.found;
    const nowMs = clock.now();
    if (result.soft === undefined) softSinceMs = undefined;
    else if (nowMs - (softSinceMs ??= nowMs) >= DEGRADED_WAIT_MS) return result.soft;
    if (nowMs >= deadlineMs) {
      throw new Failure(
        "no device",
        `Cannot find ${mount.source.text}: ${result.why}; ` +
          `gave up after ${seconds(nowMs - startMs)} (MNT_WAIT)`,
      );
    }
    progress.enter("waiting", `waiting for ${mount.source.text}: ${result.why}`);
    if (reminder.isDue(result.why)) {
      const waitedMs = nowMs - startMs;
      const since = waitedMs >= REMIND_AFTER_MS ? ` for ${seconds(waitedMs)}` : "";
      log.info(`waiting for ${mount.source.text}${since}: ${result.why}`, {
        event: "waiting",
        why: result.why,
        seconds: Math.round(waitedMs / 1000),
      });
    }

    const event = await events.it.next(Math.max(0, Math.min(LOOK_MS, deadlineMs - nowMs)), signal);
    let current = await glance(mount.source, world);
    // A file system made on a disk that was there changes no list; that somebody wrote to the disk tells.
    const written = anyListed(event?.written ?? [], current.disks);
    const again = result.failed === true && clock.now() - lookedMs >= againMs;
    if (current.fingerprint === seen.fingerprint && !written && !again) continue;
    againMs = again ? Math.min(againMs * 2, LAST_AGAIN_MS) : FIRST_AGAIN_MS;
    for (let round = 0; round < SETTLE_ROUNDS && !signal.aborted; round++) {
      await clock.sleep(SETTLE_MS, signal);
      const later = await glance(mount.source, world);
      if (later.fingerprint === current.fingerprint) break;
      current = later;
    }
    seen = current;
    // What came while the list settled is seen; it is no reason for one more look.
    await events.it.next(0, signal);
    result = await lookOnce(mount, blkid, world, signal, seen.disks);
    lookedMs = clock.now();
  }
}

/** Whether one of these device nodes is a block device of the list. */
function anyListed(paths: readonly string[], { partitions }: DiskList): boolean {
  const names = new Set(partitions.split(/\s+/));
  return paths.some((path) => names.has(path.slice(path.lastIndexOf("/") + 1)));
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function closing<T extends { close(): void }>(it: T): { readonly it: T } & Disposable {
  return { it, [Symbol.dispose]: () => it.close() };
}
