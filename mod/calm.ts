/**
 * Keeps a program that waits, retries or loses its disk again and again from filling a log of 100 lines,
 * as gokrazy's is, while the newest line tells the present state.
 *
 * Each wait says what it waits for at once, and again after growing pauses (see announce.ts). This is for
 * what no single wait can know: a flapping disk, two failures in turn. Lines are free until
 * {@linkcode FREE_LINES} were said; from then on they come further and further apart, up to an hour, each
 * the newest of those that were held back. A line is forgotten after an hour. A warning or an error that
 * was not said since the last quiet time is not held back: it is no part of what comes again and again.
 *
 * @module
 */
import type { EventName, LineFacts } from "./events.ts";
import type { Level } from "./log_form.ts";
import type { Log } from "./log.ts";
import type { Clock } from "./world.ts";

/** What no run says again and again: said at once, and before it what is held back. */
const AT_ONCE: readonly EventName[] = [
  ...["stopping", "unmounted", "restart-delayed", "failed", "defect", "check"] as const,
];

export const FREE_LINES = 12;
/** So many different warnings and errors are news; beyond that they only differ in their words. */
const NEWS_MAX = 12;
const HOUR_MS = 3_600_000;
/** The pause before the first line that is not free; each one after it is longer by a factor. */
const FIRST_PAUSE_MS = 60_000;
const FACTOR = 4;

/** How long after a line the next one may be said, when so many are remembered. */
function pauseMs(lines: number): number {
  const more = Math.ceil(lines) - FREE_LINES;
  return more < 0 ? 0 : Math.min(HOUR_MS, FIRST_PAUSE_MS * FACTOR ** more);
}

interface HeldLine {
  readonly level: Level;
  readonly message: string;
  readonly facts: LineFacts;
}

/** A log that says at most so much. */
export interface CalmLog extends Log {
  /** Says the line that is held back, if one is. */
  release(): void;
}

/** See the module. */
export function calm(log: Log, clock: Clock): CalmLog {
  /** Lines that were said and are not forgotten yet. */
  let lines = 0;
  let saidMs = clock.now();
  let nextMs = saidMs;
  let held: HeldLine | undefined;
  let leftOut = 0;
  let waking: AbortController | undefined;
  /** Warnings and errors that were said, whatever numbers stood in them. */
  const said = new Set<string>();

  /** Forgets, as of now. */
  function remembered(): number {
    return Math.max(0, lines - (clock.now() - saidMs) / HOUR_MS);
  }

  function say({ level, message, facts }: HeldLine, count: number): void {
    const more = leftOut === 0 ? "" : ` (${leftOut} ${leftOut === 1 ? "line" : "lines"} left out)`;
    const all = leftOut === 0 ? facts : { ...facts, left_out: leftOut };
    leftOut = 0;
    held = undefined;
    waking?.abort();
    waking = undefined;
    lines = remembered() + count;
    saidMs = clock.now();
    if (count > 0) nextMs = saidMs + pauseMs(lines);
    if (level === "info") log.info(message + more, all);
    else if (level === "warning") log.warn(message + more, all);
    else log.error(message + more, all);
  }

  async function sayLater(ms: number): Promise<void> {
    waking = new AbortController();
    const { signal } = waking;
    await clock.sleep(ms, signal);
    if (!signal.aborted && held !== undefined) say(held, 1);
  }

  function release(): void {
    if (held !== undefined) say(held, 1);
  }

  function isNews({ level, message }: HeldLine): boolean {
    if (remembered() === 0) said.clear();
    const words = message.replaceAll(/\d+/g, "");
    if (level === "info" || said.has(words) || said.size === NEWS_MAX) return false;
    said.add(words);
    return true;
  }

  function put(line: HeldLine): void {
    if (isNews(line)) {
      release();
      return say(line, 1);
    }
    if (AT_ONCE.includes(line.facts.event)) {
      release();
      return say(line, 0);
    }
    if (held !== undefined) leftOut++;
    const leftMs = nextMs - clock.now();
    if (leftMs <= 0) return say(line, 1);
    held = line;
    if (waking === undefined) void sayLater(leftMs);
  }

  return {
    info: (message, facts) => put({ level: "info", message, facts }),
    warn: (message, facts) => put({ level: "warning", message, facts }),
    error: (message, facts) => put({ level: "error", message, facts }),
    release,
  };
}
