/**
 * The forms of a line of the log: for a file or a pipe, a terminal, the journal of systemd, and as JSON.
 *
 * @module
 */
import type { LineFacts } from "./events.ts";
import {
  escape,
  escapeJson,
  hasColours,
  type Paint,
  painter,
  type TerminalFacts,
} from "./terminal.ts";

export type Level = "info" | "warning" | "error";

/** One line before it is written. */
export interface Line {
  readonly level: Level;
  readonly message: string;
  readonly facts: LineFacts;
  /** Milliseconds since 1970; before NTP has set the clock, since some other day. */
  readonly timeMs: number;
  /** Seconds since boot, right at any time. */
  readonly uptimeSeconds: number;
}

/** What reads stderr. */
export type Outlet = "plain" | "terminal" | "colours" | "journal";

/** What is known of stderr and of who is behind it. */
export interface StderrFacts extends TerminalFacts {
  /** `device:inode` of fstat(2), both decimal. */
  readonly stream: string | undefined;
  /** `$JOURNAL_STREAM` of systemd.exec(5): the stream that leads to the journal. */
  readonly journalStream: string | undefined;
}

/** Who reads stderr: the journal is believed only where the stream is our own, for children inherit the variable. */
export function chooseOutlet(facts: StderrFacts): Outlet {
  if (facts.journalStream && facts.stream === facts.journalStream) return "journal";
  if (!facts.terminal) return "plain";
  return hasColours(facts) ? "colours" : "terminal";
}

/** Priorities of sd-daemon(3): SD_ERR, SD_WARNING, SD_INFO. */
const PRIORITY: Readonly<Record<Level, string>> = { error: "<3>", warning: "<4>", info: "<6>" };

const PLAIN = painter(false);
const COLOURED = painter(true);

function levelWord({ level }: Line, paint: Paint = PLAIN): string {
  if (level === "info") return "";
  return `${paint(level === "error" ? "red" : "yellow", `${level}:`)} `;
}

/** The message, and each line of a stack below it. */
function linesOf({ message, facts }: Line): string[] {
  const stack = facts.event === "defect" ? facts.stack?.split("\n") : undefined;
  return [message, ...stack ?? []].map(escape);
}

/** Local time of the day, as a person at the terminal has it. */
function dayTime({ timeMs }: Line): string {
  return new Date(timeMs).toTimeString().slice(0, 8);
}

/** A line for people, of which a stack alone makes several on a terminal and in the journal. */
export function formatText(line: Line, outlet: Outlet): string {
  const [first = "", ...more] = linesOf(line);
  switch (outlet) {
    case "plain": {
      const time = new Date(line.timeMs).toISOString().replace(/\.\d+Z$/, "Z");
      const text = [first, ...more].join("\\n");
      return `${time} +${line.uptimeSeconds}s restic-rest-server: ${levelWord(line)}${text}`;
    }
    case "terminal":
      return [`${dayTime(line)} ${levelWord(line)}${first}`, ...more].join("\n");
    case "colours": {
      const time = COLOURED("faint", dayTime(line));
      return [`${time} ${levelWord(line, COLOURED)}${first}`, ...more].join("\n");
    }
    case "journal":
      // The journal has the time and the name itself, and shows the level by its own means.
      return [first, ...more].map((text) => PRIORITY[line.level] + text).join("\n");
  }
}

/** One JSON object a line: `time`, `uptime_seconds`, `level`, `event`, `message` and the line's own facts. */
export function formatJson(line: Line, outlet: Outlet): string {
  const { event, ...facts } = line.facts;
  const object = escapeJson(JSON.stringify({
    time: new Date(line.timeMs).toISOString(),
    uptime_seconds: line.uptimeSeconds,
    level: line.level,
    event,
    message: line.message,
    ...facts,
  }));
  // The journal takes the priority away before it stores the object.
  return outlet === "journal" ? PRIORITY[line.level] + object : object;
}
