/**
 * The forms of a line of the log: for a file or a pipe, a terminal, the journal of systemd, and as JSON.
 *
 * @module
 */
import type { LineFacts } from "./events.ts";

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
export interface StderrFacts {
  readonly terminal: boolean;
  /** `device:inode` of fstat(2), both decimal. */
  readonly stream: string | undefined;
  /** `$JOURNAL_STREAM` of systemd.exec(5): the stream that leads to the journal. */
  readonly journalStream: string | undefined;
  /** `$NO_COLOR`: no colours where it is set and not empty. */
  readonly noColor: string | undefined;
  /** `$TERM`: `dumb`, or none, is a terminal that may show colours as rubbish. */
  readonly term: string | undefined;
}

/** Who reads stderr: the journal is believed only where the stream is our own, for children inherit the variable. */
export function chooseOutlet(facts: StderrFacts): Outlet {
  if (facts.journalStream && facts.stream === facts.journalStream) return "journal";
  if (!facts.terminal) return "plain";
  const colours = !facts.noColor && facts.term && facts.term !== "dumb";
  return colours ? "colours" : "terminal";
}

/** Characters that would break a line, colour a terminal or turn what follows from right to left. */
// deno-lint-ignore no-control-regex -- they are what is meant
const CONTROL = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const hexOf = (character: string, digits: number) =>
  character.charCodeAt(0).toString(16).padStart(digits, "0");

/** One line that drives no terminal, whatever a path or a label holds. */
export function escape(text: string): string {
  return text.replace(
    CONTROL,
    (character) =>
      NAMED[character] ??
        (character < "\u0100" ? `\\x${hexOf(character, 2)}` : `\\u${hexOf(character, 4)}`),
  );
}

/** JSON that drives no terminal, either, and means the same: `JSON.stringify` escapes no more than it must. */
export function escapeJson(json: string): string {
  return json.replace(CONTROL, (found) => found === "\n" ? found : `\\u${hexOf(found, 4)}`);
}

/** Priorities of sd-daemon(3): SD_ERR, SD_WARNING, SD_INFO. */
const PRIORITY: Readonly<Record<Level, string>> = { error: "<3>", warning: "<4>", info: "<6>" };

/** Levels in colours of ECMA-48, see console_codes(4). */
const COLOURED: Readonly<Record<Level, string>> = {
  error: "\x1b[1;31merror:\x1b[0m ",
  warning: "\x1b[33mwarning:\x1b[0m ",
  info: "",
};

function levelWord({ level }: Line): string {
  return level === "info" ? "" : `${level}: `;
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
    case "colours":
      return [`\x1b[2m${dayTime(line)}\x1b[0m ${COLOURED[line.level]}${first}`, ...more].join("\n");
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
