/**
 * What `check` found, as text for people and as lines of the log.
 *
 * @module
 */
import {
  AREAS,
  type Finding,
  judgeFindings,
  type Level,
  type Report,
  type Verdict,
} from "./findings.ts";
import { wrap } from "./help.ts";
import { quote } from "./origins.ts";
import { escape, type Paint, painter } from "./terminal.ts";

const LEVEL_COLOUR = { ok: "green", note: "cyan", warning: "yellow", error: "red" } as const;

/** How text is laid out. */
export interface Layout {
  readonly colours: boolean;
  /** Columns. */
  readonly width: number;
}

const MARK_WIDTH = 9;

/** A value of this length, `PARTUUID=` and what follows, still moves the column of origins. */
const VALUE_WIDTH = 45;

/** Words of a verdict, with the numbers that led to it. */
function verdictText(findings: readonly Finding[]): string {
  const count = (level: Level, word: string) => {
    const number = findings.filter((finding) => finding.level === level).length;
    return `${number} ${word}${number === 1 ? "" : "s"}`;
  };
  const words: Readonly<Record<Verdict, string>> = {
    "fine": "fine: nothing must be changed",
    "no device": "the disk cannot be mounted now: a start would wait for it",
    "change": "something must be changed",
  };
  return `${words[judgeFindings(findings)]} (${count("error", "error")}, ` +
    `${count("warning", "warning")})`;
}

/** Lines under a first column of marks and a second one of names. */
function findingLines(finding: Finding, nameWidth: number, { width }: Layout, paint: Paint) {
  const { level, name, text, cure } = finding;
  const indent = " ".repeat(2 + MARK_WIDTH + nameWidth);
  // A command line is for copying.
  const room = name === "command" ? Infinity : Math.max(30, width - indent.length);
  const [first, ...more] = wrap(escape(text), room, indent).split("\n");
  const mark = paint(LEVEL_COLOUR[level], level.padEnd(MARK_WIDTH));
  const lines = [`  ${mark}${name.padEnd(nameWidth)}${first!.trimStart()}`, ...more];
  if (cure === null) return lines;
  const cured = wrap(escape(cure), room - 3, `${indent}   `).trimStart();
  return [...lines, `${indent}${paint("faint", "->")} ${cured}`];
}

/** Findings of one area, aligned with each other. */
function areaLines(findings: readonly Finding[], layout: Layout, paint: Paint): string[] {
  const nameWidth = Math.max(...findings.map(({ name }) => name.length)) + 2;
  return findings.flatMap((finding) => findingLines(finding, nameWidth, layout, paint));
}

interface Row {
  readonly name: string;
  readonly value: string;
  readonly from: string;
}

function configurationRows({ settings, arguments: args }: Report): Row[] {
  return [
    ...settings.map(({ name, value, origin, file }) => ({ name, value, from: file ?? origin })),
    ...argumentLines(args).map(({ value, from }, i) => ({
      ...{ name: i === 0 ? "arguments" : "", value, from },
    })),
  ];
}

/** Arguments of one origin in one line, as a shell takes them. */
function argumentLines(args: Report["arguments"]): { value: string; from: string }[] {
  const origins = [...new Set(args.map(({ origin, file }) => file ?? origin))];
  return origins.map((from) => ({
    value: args.filter(({ origin, file }) => (file ?? origin) === from)
      .map(({ value }) => quote(value)).join(" "),
    from,
  }));
}

/** A table of what is configured, and from where. */
function configurationLines(report: Report, paint: Paint): string[] {
  const rows = configurationRows(report).map(({ name, value, from }) => ({
    ...{ name, value: escape(value), from: escape(from) },
  }));
  const names = Math.max(...rows.map(({ name }) => name.length)) + 2;
  const values = Math.min(VALUE_WIDTH, Math.max(...rows.map(({ value }) => value.length)));
  return rows.map(({ name, value, from }) =>
    `  ${name.padEnd(names)}${value.padEnd(values)}  ${paint("faint", from)}`
  );
}

/** The whole report for people; it ends with the verdict, which then stands above the prompt. */
export function reportText(report: Report, layout: Layout): string {
  const paint = painter(layout.colours);
  const { findings } = report;
  const lines: string[] = [];
  for (const [area, heading] of Object.entries(AREAS)) {
    const own = findings.filter((finding) => finding.area === area);
    const table = area === "configuration" ? [...configurationLines(report, paint), ""] : [];
    if (table.length + own.length === 0) continue;
    lines.push(paint("bold", heading), ...table, ...areaLines(own, layout, paint), "");
  }
  const level = { "fine": "ok", "no device": "warning", "change": "error" } as const;
  const verdict = paint(LEVEL_COLOUR[level[judgeFindings(findings)]], verdictText(findings));
  return `${[...lines, verdict].join("\n")}\n`;
}

/** A line of the log. */
export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly text: string;
}

const LOG_LEVEL = { ok: "info", note: "info", warning: "warn", error: "error" } as const;

/** The whole report as lines of the log, with defaults in one line: gokrazy's ring holds 100. */
export function reportLines(report: Report): LogLine[] {
  const { settings, findings } = report;
  const set = settings.filter(({ origin }) => origin !== "default");
  const defaults = settings.filter(({ origin }) => origin === "default").map(({ name }) => name);
  const info = (text: string): LogLine => ({ level: "info", text });
  return [
    ...set.map(({ name, value, origin, file }) => info(`${name}=${value} (${file ?? origin})`)),
    info(`by default: ${defaults.join(", ")}`),
    ...argumentLines(report.arguments).map(({ value, from }) =>
      info(`arguments: ${value} (${from})`)
    ),
    ...findings.map(({ area, name, level, text, cure }) => ({
      level: LOG_LEVEL[level],
      text: `${area}: ${name}: ${text}${cure === null ? "" : `; ${cure}`}`,
    })),
    { level: judgeFindings(findings) === "fine" ? "info" : "error", text: verdictText(findings) },
  ];
}
