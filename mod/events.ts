/**
 * The kinds of lines of the log, and the facts that each carries for programs (`MNT_LOG=json`): names that stay.
 * It feeds the README and the tests; the program itself needs the types alone.
 *
 * @module
 */

/** What a fact is. */
export interface FactRow {
  readonly type: "string" | "number" | "boolean" | "strings";
  readonly meaning: string;
}

const fact = <T extends FactRow["type"]>(type: T, meaning: string) => ({ type, meaning });

/** Every fact, by its name. Times are in seconds. */
export const FACTS = {
  call: fact("string", "what does not return"),
  code: fact("number", "exit code of rest-server"),
  count: fact("number", "how often in a row, or how many lines"),
  devices: fact("strings", "the devices that are mounted, first what mount(2) was given"),
  errno: fact("string", "by name, such as EBUSY"),
  exit_code: fact("number", "what this program ends with for it"),
  fstype: fact("string", "type of the file system"),
  holders: fact("strings", "who keeps the mount busy"),
  kernel: fact("strings", "the kernel's own lines about it"),
  kind: fact(
    "string",
    "why: configuration, locked, busy, no device, mount, ..., as the table of exit codes has it",
  ),
  left_out: fact("number", "lines before this one that were not said"),
  options: fact("string", "of the mount, secrets hidden"),
  ours: fact("boolean", "made by this program, and unmounted at its end"),
  phase: fact(
    "string",
    "in each line: starting, waiting, mounting, serving, stopping or unmounting",
  ),
  source: fact("string", "in each line with a mount: `MNT_SOURCE`"),
  target: fact("string", "in each line with a mount: where it is mounted, without symlinks"),
  path: fact("string", "the file, or the directory that is served"),
  pid: fact("number", "of rest-server"),
  seconds: fact("number", "for how long by now, or for how long from now on"),
  signal: fact("string", "such as SIGTERM"),
  stack: fact("string", "where in the program"),
  why: fact("string", "the reason alone"),
} as const satisfies Readonly<Record<string, FactRow>>;

export type FactName = keyof typeof FACTS;

/** What any line can carry. */
export const COMMON = [
  "phase",
  "source",
  "target",
  "left_out",
] as const satisfies readonly FactName[];

interface FactTypes {
  string: string;
  number: number;
  boolean: boolean;
  strings: readonly string[];
}

type FactsNamed<N extends FactName> = {
  readonly [K in N]?: FactTypes[typeof FACTS[K]["type"]];
};

/** Facts that each line carries. */
export type CommonFacts = FactsNamed<typeof COMMON[number]>;

/** A kind of line. */
export interface EventRow {
  readonly when: string;
  /** Those that it can carry, beside {@linkcode COMMON}. */
  readonly facts: readonly FactName[];
}

const event = <const F extends readonly FactName[]>(when: string, ...facts: F) => ({ when, facts });

/** Every kind of line. */
export const EVENTS = {
  "config-warning": event("something in the configuration has no effect, or not the one it seems"),
  "no-mount": event("nothing is mounted: none is configured"),
  "waiting": event("the disk is not there, or cannot be told from others", "why", "seconds"),
  "mount-failed": event(
    "mount(2) failed, and is tried again",
    ...["errno", "kind", "devices", "fstype"] as const,
  ),
  "mounted": event(
    "the disk is mounted, or its mount taken over",
    ...["devices", "fstype", "options", "ours"] as const,
  ),
  "mount-changed": event("options of a mount that was there were changed", "options"),
  "disk-warning": event("the disk is used though something is wrong with it", "why"),
  "serving": event("rest-server runs", "pid", "path"),
  "launch-warning": event("rest-server runs without something that protects it"),
  "disk-hangs": event("the disk does not answer", "seconds", "devices"),
  "disk-answers": event("it does again", "seconds", "devices"),
  "disk-trouble": event("an error of the disk that does not end serving", "why", "kernel"),
  "sync-failed": event("not everything that was written has reached the disk"),
  "lost": event("the disk is gone; it is served again when it is back", "why", "kernel", "pid"),
  "call-hangs": event("a system call does not return", "call", "seconds"),
  "stopping": event("a signal asked for the end", "signal", "pid"),
  "killing": event("SIGKILL for a rest-server that does not stop", "why", "pid"),
  "server-hangs": event("rest-server does not end in spite of it", "seconds", "pid"),
  "server-ended": event("rest-server has ended", "code", "signal", "pid"),
  "detached": event("a lost disk was taken off the target"),
  "unmounted": event("the disk is unmounted"),
  "unmount-failed": event("it is not, or not yet", "errno", "holders", "why"),
  "left-mounted": event("the mount stays: it was there before this program"),
  "restart-delayed": event("the exit is held back on gokrazy", "count", "seconds"),
  "orphan-ended": event("the rest-server of an earlier run was ended", "pid"),
  "survivor": event("rest-server ended, and left a process behind", "pid"),
  "socket-removed": event("a dead socket of an earlier rest-server was removed", "path"),
  "file-failed": event("a file of this program cannot be written or removed", "path", "why"),
  "failed": event("the run has failed", "kind", "exit_code"),
  "defect": event("an error of this program itself", "exit_code", "stack"),
  "check": event("a line of `check`"),
  "lines-dropped": event("nobody read stderr for long", "count"),
} as const satisfies Readonly<Record<string, EventRow>>;

export type EventName = keyof typeof EVENTS;

/** What a line says of itself for programs: the kind of line, and the facts of that kind alone. */
export type LineFacts = {
  [E in EventName]:
    & { readonly event: E }
    & FactsNamed<typeof EVENTS[E]["facts"][number]>
    & CommonFacts;
}[EventName];
