/**
 * The log on stderr, through `@logtape/logtape` with our own formatters. The library takes 20 ms and
 * 3 MB, so the start goes without: the lines of the first second go straight to the same formatter and
 * the same writer, and the first line after it loads the library.
 *
 * @module
 */

import { calm } from "./calm.ts";
import type { CommonFacts, LineFacts } from "./events.ts";
import {
  chooseOutlet,
  formatJson,
  formatText,
  type Level,
  type Line,
  type Outlet,
} from "./log_form.ts";
import { LineWriter } from "./log_writer.ts";
import { hideSecrets } from "./secrets.ts";
import type { Clock } from "./world.ts";

/** Where steps say what happens. */
export interface Log {
  info(message: string, facts: LineFacts): void;
  warn(message: string, facts: LineFacts): void;
  error(message: string, facts: LineFacts): void;
}

/** `device:inode` of fd 2, as fstat(2) has them: the link of /proc leads to the open file, not to a path. */
function stderrStream(): string | undefined {
  try {
    const { dev, ino } = Deno.statSync("/proc/self/fd/2");
    return `${dev}:${ino}`;
  } catch {
    return undefined; // It is closed.
  }
}

/** Asked once, at the start. */
export function stderrOutlet(): Outlet {
  const journalStream = Deno.env.get("JOURNAL_STREAM");
  return chooseOutlet({
    terminal: Deno.stderr.isTerminal(),
    stream: journalStream ? stderrStream() : undefined,
    journalStream,
    noColor: Deno.env.get("NO_COLOR"),
    term: Deno.env.get("TERM"),
  });
}

type Logger = Record<Level, (message: string, properties: Record<string, unknown>) => void>;

/** A {@linkcode Log} whose lines have to be flushed before the process ends. */
export interface FlushableLog extends Log {
  /** Changes the form of all lines that are still to come. */
  setFormat(format: "text" | "json"): void;
  /** Hides these wherever they turn up, from {@linkcode secretsOf}. */
  hide(secrets: readonly string[]): void;
  /** A text without what is hidden. */
  shown(text: string): string;
  /** Facts that each line carries from now on, beside its own. */
  note(facts: CommonFacts): void;
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
 * @param outlet what reads it.
 */
export function createLog(
  write: (bytes: Uint8Array) => Promise<number>,
  clock: Clock,
  outlet: Outlet = "plain",
): FlushableLog {
  let format = formatText;
  let secrets: readonly string[] = [];
  let common: CommonFacts = {};
  const startMs = clock.now();
  let loading = false;
  let logger: Logger | undefined;

  const shown = (text: string) => hideSecrets(text, secrets);

  function lineOf(level: Level, message: string, facts: LineFacts): Line {
    const all = Object.entries({ ...common, ...facts }).map(([name, value]) => {
      if (name === "event") return [name, value];
      if (typeof value === "string") return [name, shown(value)];
      return [name, Array.isArray(value) ? value.map(shown) : value];
    });
    return {
      level,
      message: shown(message),
      facts: Object.fromEntries(all),
      timeMs: Date.now(),
      uptimeSeconds: Deno.osUptime(),
    };
  }

  const writer = new LineWriter(
    write,
    (count) => {
      const facts = { event: "lines-dropped", count } as const;
      return format(lineOf("warning", `${count} lines were dropped here`, facts), outlet);
    },
    clock,
  );

  async function load(): Promise<void> {
    const { configureSync, getLogger } = await import("@logtape/logtape");
    configureSync({
      reset: true,
      sinks: { stderr: (record) => writer.put(format(record.properties["line"] as Line, outlet)) },
      loggers: [
        { category: "restic-rest-server", sinks: ["stderr"], lowestLevel: "info" },
        { category: ["logtape", "meta"], sinks: [], lowestLevel: "fatal" },
      ],
    });
    logger = getLogger("restic-rest-server") as unknown as Logger;
  }

  function say(level: Level, message: string, facts: LineFacts): void {
    const line = lineOf(level, message, facts);
    if (logger === undefined) writer.put(format(line, outlet));
    else logger[level]("{line}", { line });
    if (loading || clock.now() - startMs < START_MS) return;
    loading = true;
    // Without the library the lines go on as they did.
    load().catch(() => {});
  }

  const said = calm({
    info: (message, facts) => say("info", message, facts),
    warn: (message, facts) => say("warning", message, facts),
    error: (message, facts) => say("error", message, facts),
  }, clock);
  return {
    ...said,
    setFormat: (form) => {
      format = form === "json" ? formatJson : formatText;
    },
    hide: (known) => {
      secrets = [...secrets, ...known].toSorted((a, b) => b.length - a.length);
    },
    shown,
    note: (facts) => {
      common = { ...common, ...facts };
    },
    flush: (limitMs) => {
      said.release();
      return Promise.race([writer.idle(), clock.sleep(limitMs)]);
    },
  };
}
