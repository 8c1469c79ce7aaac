/**
 * The log on stderr, through `@logtape/logtape` with our own formatters. The library takes 20 ms and
 * 3 MB, so the start goes without: the lines of the first second go straight to the same formatter and
 * the same writer, and the first line after it loads the library.
 *
 * @module
 */

import type { Clock } from "./world.ts";

export type Level = "info" | "warning" | "error";

/** Facts of a line for programs; shown by the json form alone. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** Where steps say what happens. */
export interface Log {
  info(message: string, facts?: Facts): void;
  warn(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
}

interface Line {
  readonly level: Level;
  readonly message: string;
  readonly facts: Facts;
  /** Milliseconds since 1970; before NTP has set the clock, since some other day. */
  readonly timeMs: number;
  /** Seconds since boot, right at any time. */
  readonly uptimeSeconds: number;
}

/** Characters that would break a line or colour a terminal. */
// deno-lint-ignore no-control-regex -- they are what is meant
const CONTROL = /[\x00-\x1f\x7f\x80-\x9f]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line for people: `2026-11-23T16:20:01Z +12s restic-rest-server: warning: ...`. */
export function formatText(line: Line): string {
  const time = new Date(line.timeMs).toISOString().replace(/\.\d+Z$/, "Z");
  const level = line.level === "info" ? "" : `${line.level}: `;
  // One event is one line, whatever a path or a label holds.
  const message = line.message.replace(
    CONTROL,
    (character) =>
      NAMED[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `${time} +${line.uptimeSeconds}s restic-rest-server: ${level}${message}`;
}

/** One JSON object a line: `time`, `uptime_seconds`, `level`, `message` and the line's own facts. */
export function formatJson(line: Line): string {
  return JSON.stringify({
    ...line.facts,
    time: new Date(line.timeMs).toISOString(),
    uptime_seconds: line.uptimeSeconds,
    level: line.level,
    message: line.message,
  });
}

/** Lines that wait for a reader that does not read; beyond this the oldest are dropped and counted. */
const QUEUE_MAX_LINES = 1000;

/** A stderr that does not block and is full is tried again after so long. */
const FULL_PAUSE_MS = 20;

/** Writes lines in order without ever blocking the caller. */
class LineWriter {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  #queue: string[] = [];
  #dropped = 0;
  #draining = false;
  #writing: Promise<void> | undefined;
  readonly #notice: (dropped: number) => string;
  readonly #clock: Clock;

  constructor(
    write: (bytes: Uint8Array) => Promise<number>,
    notice: (dropped: number) => string,
    clock: Clock,
  ) {
    this.#write = write;
    this.#notice = notice;
    this.#clock = clock;
  }

  put(line: string): void {
    if (this.#queue.length >= QUEUE_MAX_LINES) {
      this.#queue.shift();
      this.#dropped++;
    }
    this.#queue.push(line);
    if (!this.#draining) this.#writing = this.#drain();
  }

  /** Ends when every line is written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      if (this.#dropped > 0) lines.unshift(this.#notice(this.#dropped));
      this.#dropped = 0;
      let bytes = new TextEncoder().encode(lines.join("\n") + "\n");
      while (bytes.length > 0) {
        try {
          bytes = bytes.subarray(await this.#write(bytes));
        } catch (error) {
          // Nobody reads stderr any more; serving goes on.
          if (!(error instanceof Deno.errors.WouldBlock)) break;
          // Somebody else made it non-blocking (open(2), O_NONBLOCK), and it is full.
          await this.#clock.sleep(FULL_PAUSE_MS);
        }
      }
    }
    // In the same breath as the last look at the queue: a line that comes now begins anew.
    this.#draining = false;
  }
}

type Logger = Record<Level, (message: string, properties: Record<string, unknown>) => void>;

/** A {@linkcode Log} whose lines have to be flushed before the process ends. */
export interface FlushableLog extends Log {
  /** Changes the form of all lines that are still to come. */
  setFormat(format: "text" | "json"): void;
  /** Waits until all lines are written, at most `limitMs`. */
  flush(limitMs: number): Promise<void>;
}

/** Until so long after it was made, the log does not load the library. */
const START_MS = 1000;

/**
 * Makes the log.
 *
 * @param write writes some of the bytes and says how many, as `Deno.stderr.write` does.
 * @param clock for the length of the start and the limit of `flush`.
 */
export function createLog(
  write: (bytes: Uint8Array) => Promise<number>,
  clock: Clock,
): FlushableLog {
  const lineOf = (level: Level, message: string, facts: Facts): Line => ({
    level,
    message,
    facts,
    timeMs: Date.now(),
    uptimeSeconds: Deno.osUptime(),
  });
  const writer = new LineWriter(
    write,
    (dropped) => format(lineOf("warning", `${dropped} lines were dropped here`, {})),
    clock,
  );
  let format = formatText;
  const startMs = clock.now();
  let loading = false;
  let logger: Logger | undefined;

  async function load(): Promise<void> {
    const { configureSync, getLogger } = await import("@logtape/logtape");
    configureSync({
      reset: true,
      sinks: { stderr: (record) => writer.put(format(record.properties["line"] as Line)) },
      loggers: [
        { category: "restic-rest-server", sinks: ["stderr"], lowestLevel: "info" },
        { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
      ],
    });
    logger = getLogger("restic-rest-server") as unknown as Logger;
  }

  function say(level: Level, message: string, facts: Facts): void {
    const line = lineOf(level, message, facts);
    if (logger === undefined) writer.put(format(line));
    else logger[level]("{line}", { line });
    if (loading || clock.now() - startMs < START_MS) return;
    loading = true;
    // Without the library the lines go on as they did.
    load().catch(() => {});
  }

  return {
    info: (message, facts = {}) => say("info", message, facts),
    warn: (message, facts = {}) => say("warning", message, facts),
    error: (message, facts = {}) => say("error", message, facts),
    setFormat: (form) => {
      format = form === "json" ? formatJson : formatText;
    },
    flush: (limitMs) => Promise.race([writer.idle(), clock.sleep(limitMs)]),
  };
}
