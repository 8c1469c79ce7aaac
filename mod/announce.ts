/**
 * Waits that say what they wait for, and calls that can block for minutes in the kernel.
 *
 * @module
 */
import type { Clock, World } from "./world.ts";

/** A wait that was said is said again after so long. */
export const REMIND_AFTER_MS = 60_000;
/** A call that blocks is said after so long. */
export const HANGS_AFTER_MS = 10_000;
const HOUR_MS = 3_600_000;

/**
 * When a wait is said next: after `firstMs`, after twice as long, and so on, and each hour at last. A wait of
 * a day makes some 30 lines, where one a minute would have flushed a log of 100 lines in two hours.
 *
 * @param waitedMs since the wait began, at the moment of its last line; 0 for none.
 * @returns milliseconds since the wait began.
 */
export function nextReminderMs(waitedMs: number, firstMs: number): number {
  return waitedMs + Math.min(Math.max(waitedMs, firstMs), HOUR_MS);
}

/** Whether what a wait waits for is due to be said: at once when it is new, then as {@linkcode nextReminderMs} says. */
export class Reminder {
  readonly #clock: Clock;
  #what: string | undefined;
  #sinceMs = 0;
  #nextMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param what the same text for as long as nothing has changed; a call that gives true counts as said. */
  isDue(what: string): boolean {
    const nowMs = this.#clock.now();
    if (what !== this.#what) {
      this.#what = what;
      this.#sinceMs = nowMs;
      this.#nextMs = nextReminderMs(0, REMIND_AFTER_MS);
      return true;
    }
    const waitedMs = nowMs - this.#sinceMs;
    if (waitedMs < this.#nextMs) return false;
    this.#nextMs = nextReminderMs(waitedMs, REMIND_AFTER_MS);
    return true;
  }
}

/** Waits for a call so long; `late` says what it comes to then, and the call is left to itself. */
export async function limited<T>(
  call: Promise<T>,
  limitMs: number,
  late: () => T,
  clock: Clock,
): Promise<T> {
  const over = new AbortController();
  const limit = clock.sleep(limitMs, over.signal).then(() => over.signal.aborted ? call : late());
  try {
    return await Promise.race([call, limit]);
  } finally {
    over.abort();
  }
}

/**
 * Waits for a call, and speaks of it while it does not return.
 *
 * @param firstMs when it is said first, see {@linkcode nextReminderMs}.
 * @param say gets the seconds so far.
 * @param ended ends the wait, with `null`; the call is left to itself then.
 */
export async function speaking<T>(
  call: Promise<T>,
  firstMs: number,
  say: (seconds: number) => void,
  world: World,
  ended?: AbortSignal,
): Promise<T | null> {
  const returned = new AbortController();
  const over = ended === undefined ? returned.signal : AbortSignal.any([returned.signal, ended]);
  const speak = async (): Promise<null> => {
    let waitedMs = 0;
    for (;;) {
      const nextMs = nextReminderMs(waitedMs, firstMs);
      await world.clock.sleep(nextMs - waitedMs, over);
      if (over.aborted) return null;
      waitedMs = nextMs;
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

/** Waits for a call, and says which one it is that does not return, first after {@linkcode HANGS_AFTER_MS}. */
export async function announced<T>(what: string, call: Promise<T>, world: World): Promise<T> {
  const say = (seconds: number) =>
    world.log.warn(
      `still waiting for ${what} after ${seconds} s; is the disk, or its server, hanging?`,
      { event: "call-hangs", call: what, seconds },
    );
  // Never null: nothing ends this wait but the call.
  return await speaking(call, HANGS_AFTER_MS, say, world) as T;
}
