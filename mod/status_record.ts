/**
 * The status file: what a run says of itself, for `status` and for the run after it.
 *
 * @module
 */
import { lockName } from "./lock.ts";
import { isProcessMark, type ProcessMark } from "./processes.ts";
import type { PastFailure, Phase, State } from "./progress.ts";
import { hideSecrets } from "./secrets.ts";

/** What a status file says. All times are since boot. */
export interface StatusRecord extends State {
  readonly version: typeof VERSION;
  /** Who writes it. */
  readonly wrapper: ProcessMark;
  /** How many runs in a row before this one ended uncleanly. */
  readonly restarts: number;
  /** How the run ended, where that was not clean; `null` while it lives, and after it was killed. */
  readonly ended: string | null;
}

/** The form of the file. */
const VERSION = 1;

const PHASES: readonly Phase[] = [
  ...["starting", "waiting", "mounting", "serving", "stopping", "unmounting"] as const,
];

/** The name of a target's status file; without a mount, of a process. */
export async function statusName(target: string | null, pid: number): Promise<string> {
  return target === null
    ? `pid-${pid}.status`
    : (await lockName(target)).replace(/lock$/, "status");
}

/** Whether a name is that of a run without a mount. */
export const isPidName = (name: string) => /^pid-\d+\.status$/.test(name);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
const isText = (value: unknown): value is string => typeof value === "string";
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
const isTime = (value: unknown): value is number => Number.isFinite(value) && Number(value) >= 0;
const isFailure = (value: unknown): value is PastFailure =>
  isObject(value) && isText(value["text"]) && isTime(value["atMs"]);
const orNull = <T>(is: (value: unknown) => value is T) => (value: unknown): value is T | null =>
  value === null || is(value);

const FIELDS: { readonly [K in keyof StatusRecord]: (value: unknown) => value is StatusRecord[K] } =
  {
    version: (value): value is typeof VERSION => value === VERSION,
    wrapper: isProcessMark,
    phase: (value): value is Phase => PHASES.includes(value as Phase),
    sinceMs: isTime,
    text: isText,
    source: orNull(isText),
    target: orNull(isText),
    fstype: orNull(isText),
    devices: (value): value is string[] => Array.isArray(value) && value.every(isText),
    server: orNull(isProcessMark),
    starts: isCount,
    losses: isCount,
    restarts: isCount,
    failure: orNull(isFailure),
    ended: orNull(isText),
  };

/**
 * Parses a status file.
 *
 * @throws {SyntaxError} for anything but a whole record of this version.
 */
export function parseStatusRecord(text: string): StatusRecord {
  const value: unknown = JSON.parse(text);
  const fault = Object.entries(FIELDS).find(([name, is]) => !isObject(value) || !is(value[name]));
  if (fault !== undefined) throw new SyntaxError(`Cannot parse status: no valid "${fault[0]}"`);
  return value as StatusRecord;
}

/** The text of a status file: one line, without secrets. */
export function formatStatusRecord(facts: Omit<StatusRecord, "version">): string {
  const hide = (text: string) => hideSecrets(text);
  const { source, devices } = facts;
  const shown = { source: source && hide(source), devices: devices.map(hide) };
  return `${JSON.stringify({ version: VERSION, ...facts, ...shown })}\n`;
}
