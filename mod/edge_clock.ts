/**
 * The clock, over Deno's own API.
 *
 * @module
 */
import type { Clock } from "./world.ts";

/** A timer that nobody waits for any more lives on until its time: so no long ones. */
const TIMER_MAX_MS = 60_000;

/**
 * AbortSignal.timeout stands for setTimeout throughout: the first call of setTimeout loads Node's timers,
 * which adds 7 ms to the start and 4 MB to the resident memory.
 */
export const clock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    const endMs = performance.now() + ms;
    for (let left = ms; left > 0 && !signal?.aborted; left = endMs - performance.now()) {
      const timer = AbortSignal.timeout(Math.ceil(Math.min(left, TIMER_MAX_MS)));
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.removeEventListener("abort", done);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        timer.addEventListener("abort", done);
        signal?.addEventListener("abort", done);
      });
    }
  },
};
