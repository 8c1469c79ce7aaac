/**
 * What is done beside a serving rest-server.
 *
 * @module
 */
import type { Mounted } from "./mount.ts";
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

/** By then rest-server listens. */
const QUIET_AFTER_MS = 2000;
/** Each page of code that was needed for a moment would stay resident else. */
const RELEASE_EVERY_MS = 60_000;
/** Hours of probes and syncs leave garbage behind, too; to collect it takes 20 ms. */
const COLLECT_EACH = 10;

/** Gives back the memory of the start once it is over, and from time to time what was needed since. */
export async function releaseWhenQuiet(world: World, signal: AbortSignal): Promise<void> {
  await world.clock.sleep(QUIET_AFTER_MS, signal);
  for (let count = 0; !signal.aborted; count++) {
    world.releaseMemory(count % COLLECT_EACH === 0 ? "heap and code" : "code");
    await world.clock.sleep(RELEASE_EVERY_MS, signal);
  }
}

/** rest-server syncs each blob before it answers, but not `config`: so long it can stay unwritten. */
export const SYNC_EVERY_MS = 30_000;

/** Sectors written, from the text of `/sys/dev/block/8:1/stat`: field 7 of the kernel's `block/stat.rst`. */
export function sectorsWritten(stat: string): string | undefined {
  return stat.trim().split(/\s+/)[6];
}

/** The write counters of the mount's devices as one text; it changes when one of them was written to. */
async function writeCounters(mounted: Mounted, world: World): Promise<string> {
  const counters = await Promise.all(mounted.found.majorMinors.map(async (number) => {
    const stat = await readTextIfAny(`/sys/dev/block/${number}/stat`, world.files);
    return stat === undefined ? "gone" : sectorsWritten(stat);
  }));
  return counters.join(" ");
}

/**
 * Each {@linkcode SYNC_EVERY_MS}, writes the file system back if its devices were written to since. A
 * disk that nobody writes to is left asleep.
 */
export async function syncWhenWritten(
  mounted: Mounted,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  if (mounted.found.majorMinors.length === 0) return;
  // Taken before the sync: what was written beside it is found at the next look.
  let before = await writeCounters(mounted, world);
  let failed = false;
  for (;;) {
    // Not sooner: a sync in the middle of a short backup costs it 5 % of its speed.
    await world.clock.sleep(SYNC_EVERY_MS, signal);
    if (signal.aborted) return;
    const now = await writeCounters(mounted, world);
    if (signal.aborted) return;
    if (now === before) continue;
    before = now;
    const clean = await mounted.sync();
    if (!clean && !failed) {
      world.log.error(
        `Cannot write everything to "${mounted.found.source}": the disk refused; ` +
          "see the kernel log, and run restic check",
        { event: "sync-failed" },
      );
    }
    failed = !clean;
  }
}
