/**
 * Waits that say what they wait for, and calls that can block for minutes in the kernel.
 *
 * @module
 */
import type { World } from "./world.ts";

/** A wait says at least this often what it waits for. */
export const SAY_EVERY_MS = 60_000;
/** How often a blocked call is said. */
export const ANNOUNCE_EVERY_MS = 10_000;

/** Waits for a call, and says every {@linkcode ANNOUNCE_EVERY_MS} which one it is that does not return. */
export async function announced<T>(what: string, call: Promise<T>, world: World): Promise<T> {
  const returned = new AbortController();
  const say = async () => {
    for (let seconds = 0;;) {
      await world.clock.sleep(ANNOUNCE_EVERY_MS, returned.signal);
      if (returned.signal.aborted) return;
      seconds += ANNOUNCE_EVERY_MS / 1000;
      world.log.warn(`still in ${what} for ${seconds} s; is the disk hanging?`);
    }
  };
  const saying = say();
  try {
    return await call;
  } finally {
    returned.abort();
    await saying;
  }
}
