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

/**
 * Waits for a call, and speaks of it while it does not return.
 *
 * @param pausesMs between the start and each `say`; the last one again and again.
 * @param say gets the seconds so far.
 * @param ended ends the wait, with `null`; the call is left to itself then.
 */
export async function speaking<T>(
  call: Promise<T>,
  pausesMs: readonly [number, ...number[]],
  say: (seconds: number) => void,
  world: World,
  ended?: AbortSignal,
): Promise<T | null> {
  const returned = new AbortController();
  const over = ended === undefined ? returned.signal : AbortSignal.any([returned.signal, ended]);
  const speak = async (): Promise<null> => {
    let waitedMs = 0;
    for (let i = 0;; i++) {
      const pauseMs = pausesMs[Math.min(i, pausesMs.length - 1)]!;
      await world.clock.sleep(pauseMs, over);
      if (over.aborted) return null;
      waitedMs += pauseMs;
      say(waitedMs / 1000);
    }
  };
  const speech = speak();
  try {
    return await Promise.race([call, speech]);
  } finally {
    returned.abort();
    await speech;
  }
}

/** Waits for a call, and says every {@linkcode ANNOUNCE_EVERY_MS} which one it is that does not return. */
export async function announced<T>(what: string, call: Promise<T>, world: World): Promise<T> {
  const say = (seconds: number) =>
    world.log.warn(`still in ${what} for ${seconds} s; is the disk hanging?`);
  // Never null: nothing ends this wait but the call.
  return await speaking(call, [ANNOUNCE_EVERY_MS], say, world) as T;
}
