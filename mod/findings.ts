/**
 * What `check` finds, as data: one finding for each thing it looked at, and what they mean together.
 *
 * @module
 */
import { EXIT, type Failure, type Platform } from "./exit.ts";
import type { ShownArgument, ShownSetting } from "./origins.ts";
import { hideSecrets } from "./secrets.ts";

/** Where a finding belongs, with its heading, in the order of the report. */
export const AREAS = {
  configuration: "Configuration",
  disk: "Disk",
  mount: "Mount",
  server: "rest-server",
  sandbox: "User and sandbox",
} as const;
export type Area = keyof typeof AREAS;

/** "note": it cannot be told, or it is good to know. */
const LEVELS = ["ok", "note", "warning", "error"] as const;
export type Level = typeof LEVELS[number];

/** One thing that was looked at. */
export interface Finding {
  readonly area: Area;
  /** What was looked at, in a word that stays the same from version to version. */
  readonly name: string;
  readonly level: Level;
  readonly text: string;
  /** What to do; `null` where nothing is to be done. */
  readonly cure: string | null;
  /** An error that goes away when the disk is plugged in, or its twin pulled out. */
  readonly waits?: true;
}

/** A device that blkid sees, and whether the source means it. */
export interface ShownDevice {
  readonly path: string;
  readonly tags: Readonly<Record<string, string>>;
  /** "near": it carries the value, but under another name or written differently. */
  readonly match: "yes" | "near" | "no";
  readonly why: string | null;
}

/** What mount(2) would be given. */
export interface ShownMount {
  readonly source: string;
  readonly target: string;
  /** `null`: what blkid will say once the disk is there. */
  readonly fstype: string | null;
  /** As mount(8) takes them, secrets masked. */
  readonly options: string;
  /** The whole as a command line. */
  readonly command: string;
}

/** All that a check found. */
export interface Report {
  readonly version: string;
  readonly platform: Platform;
  readonly settings: readonly ShownSetting[];
  readonly arguments: readonly ShownArgument[];
  readonly devices: readonly ShownDevice[];
  readonly mount: ShownMount | null;
  readonly findings: readonly Finding[];
}

/** Makes the findings of one area. */
export function findingsOf(area: Area) {
  const make = (level: Level) => (name: string, text: string, cure: string | null = null) =>
    ({ area, name, level, text, cure }) as Finding;
  return {
    ok: make("ok"),
    note: make("note"),
    warning: make("warning"),
    error: make("error"),
    /** An error that only waits for a disk. */
    missing: (name: string, text: string, cure: string): Finding => ({
      ...make("error")(name, text, cure),
      waits: true,
    }),
    /** What a start would fail with: the hint of its message is the cure. */
    failure: (name: string, { message, kind }: Pick<Failure, "message" | "kind">): Finding => ({
      ...make("error")(name, ...splitHint(message)),
      ...(kind === "no device" ? { waits: true } : {}),
    }),
  };
}

/** A message of this program is `Cannot X: state; hint`. */
export function splitHint(message: string): [text: string, cure: string | null] {
  const end = message.indexOf("; ");
  return end < 0 ? [message, null] : [message.slice(0, end), message.slice(end + 2)];
}

/** What the findings mean together. */
export type Verdict = "fine" | "no device" | "change";

/** An error that no disk cures comes first: as long as it is there, waiting is in vain. */
export function judgeFindings(findings: readonly Finding[]): Verdict {
  const errors = findings.filter(({ level }) => level === "error");
  if (errors.length === 0) return "fine";
  return errors.every(({ waits }) => waits === true) ? "no device" : "change";
}

/**
 * The exit code of the verb, the same everywhere: it is run by hand or by a script, on gokrazy through
 * breakglass, and there is no supervisor that 125 could stop.
 */
export const VERDICT_EXIT: Readonly<Record<Verdict, number>> = {
  "fine": 0,
  "no device": EXIT["no device"].host,
  "change": EXIT.configuration.host,
};

/**
 * The exit code of `MNT_CHECK=1`. What supervises it must not start it again and again: gokrazy would at any
 * code but 0 and 125, our unit for systemd even at 0.
 */
export function loggedExit(verdict: Verdict, platform: Platform, isUnit: boolean): number {
  if (platform === "gokrazy" || isUnit) return EXIT.configuration[platform];
  return VERDICT_EXIT[verdict];
}

/** Words of this program's own, which nothing may change. */
const OWN_WORDS: readonly string[] = ["area", "name", "level", "origin", "match", "platform"];

/**
 * The report with no password in any of its texts.
 *
 * @param known from `secretsOf`.
 */
export function maskReport(report: Report, known: readonly string[]): Report {
  const hide = (key: string, value: unknown) =>
    typeof value === "string" && !OWN_WORDS.includes(key) ? hideSecrets(value, known) : value;
  return JSON.parse(JSON.stringify(report), hide);
}

/** The report for programs, as `dist/schema/check.schema.json` says. */
export function reportJson(report: Report): string {
  const verdict = judgeFindings(report.findings);
  const { version, platform, settings, devices, mount } = report;
  return JSON.stringify(
    {
      ...{ schema: 1, version, platform, verdict, exit_code: VERDICT_EXIT[verdict] },
      ...{ settings, arguments: report.arguments, devices, mount },
      findings: report.findings.map(({ area, name, level, text, cure }) => ({
        ...{ area, name, level, text, cure },
      })),
    },
    null,
    2,
  );
}
