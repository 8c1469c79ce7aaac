/**
 * How a run can end, and the exit code that makes the supervisor above do the right thing.
 *
 * @module
 */
import { type SignalName, SIGNALS } from "./linux.ts";

/** Where the program runs: gokrazy ends its supervision for good at exit 0 and at 125. */
export type Platform = "host" | "gokrazy";

/** Why a run failed before or beside rest-server. */
export type FailureKind =
  | "configuration"
  | "locked"
  | "busy"
  | "not executable"
  | "not found"
  | "not permitted"
  | "no device"
  | "mount"
  | "defect";

/** A row of the table of exit codes: the code on each platform. */
export interface ExitRow extends Readonly<Record<Platform, number>> {
  readonly when: string;
}

/** Codes of failures, from sysexits.h, mount(8) and the shell. gokrazy's 125 says: a restart cannot cure this. */
export const EXIT: Readonly<Record<FailureKind, ExitRow>> = {
  "configuration": { host: 78, gokrazy: 125, when: "configuration that can never work" },
  "locked": { host: 75, gokrazy: 75, when: "another live wrapper holds the target" },
  "busy": {
    host: 75,
    gokrazy: 75,
    when:
      "the address of `--listen` is in use, or no process can be started, or no lock file made, now",
  },
  "not executable": { host: 126, gokrazy: 125, when: "rest-server cannot be executed" },
  "not found": { host: 127, gokrazy: 125, when: "rest-server was not found" },
  "not permitted": { host: 77, gokrazy: 125, when: "not permitted to mount" },
  "no device": {
    host: 69,
    gokrazy: 69,
    when: "device not there, or still ambiguous, within `MNT_WAIT`",
  },
  "mount": { host: 32, gokrazy: 32, when: "mount or unmount failed, or only lazily detached" },
  "defect": { host: 70, gokrazy: 70, when: "a defect of this program" },
};

/** A failure with its place in {@linkcode EXIT}. The message is one sentence with its hint. */
export class Failure extends Error {
  override name = "Failure";
  readonly kind: FailureKind;
  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The words of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** errno of a disk, a network or a machine in trouble: what is there now can be gone at the next try. */
const PASSING: readonly string[] = [
  ...["EIO", "ENODEV", "ENXIO", "ENOMEDIUM", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "EHOSTDOWN"],
  ...["ENOMEM", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EAGAIN", "EUCLEAN", "EBADMSG"],
];

/** Whether an errno, by its name, can be gone at the next try. */
export function passes(errno: unknown): boolean {
  return typeof errno === "string" && PASSING.includes(errno);
}

/** The errno of an error of a file, by its name. */
export function errnoOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

/** The failure behind an error of a file: never a mistake of the configuration where the disk may be at fault. */
export function fileFailure(error: unknown): "configuration" | "mount" {
  return passes(errnoOf(error)) ? "mount" : "configuration";
}

/** How a run ended. */
export type Ending =
  /** A signal asked for it and all went well. */
  | { readonly kind: "stopped"; readonly signal: SignalName }
  /** rest-server exited by itself, or with an error while stopping. */
  | { readonly kind: "exited"; readonly code: number }
  /** rest-server was killed. */
  | { readonly kind: "killed"; readonly signal: SignalName }
  | { readonly kind: "failed"; readonly failure: FailureKind };

/** How rest-server ended; a `Deno.CommandStatus` without what is not needed here. */
export interface ServerStatus {
  readonly code: number;
  readonly signal: SignalName | null;
}

/**
 * Judges rest-server's end. After a stop, exit 0 is clean, and so is a process that died of the very
 * signal it was sent before it could handle it.
 *
 * @param stopSignal the signal that asked for the stop, if one did.
 * @param sent the signals that the wrapper sent; a SIGKILL among them means it did not stop in time.
 */
export function judgeServer(
  status: ServerStatus,
  stopSignal: SignalName | undefined,
  sent: ReadonlySet<SignalName>,
): Ending {
  if (stopSignal !== undefined && !sent.has("SIGKILL")) {
    const clean = status.signal === null ? status.code === 0 : sent.has(status.signal);
    if (clean) return { kind: "stopped", signal: stopSignal };
  }
  if (status.signal !== null) return { kind: "killed", signal: status.signal };
  return { kind: "exited", code: status.code };
}

/** The first failure decides; one while unmounting counts only where all else went well. */
export function withUnmount(ending: Ending, unmounted: boolean): Ending {
  const clean = ending.kind === "stopped" || (ending.kind === "exited" && ending.code === 0);
  return clean && !unmounted ? { kind: "failed", failure: "mount" } : ending;
}

/** The exit code of an ending. */
export function exitCode(ending: Ending, platform: Platform): number {
  switch (ending.kind) {
    case "stopped":
      return platform === "gokrazy" ? 128 + SIGNALS[ending.signal] : 0;
    case "exited":
      return platform === "gokrazy" && (ending.code === 0 || ending.code === 125)
        ? 75
        : ending.code;
    case "killed":
      return 128 + SIGNALS[ending.signal];
    case "failed":
      return EXIT[ending.failure][platform];
  }
}

/**
 * How long the exit of a rest-server that hardly lived is held back on gokrazy, which restarts each
 * second without limit.
 *
 * @param count how many times in a row it happened, from 1.
 */
export function restartDelayMs(count: number): number {
  return Math.min(60_000, 1000 * 2 ** Math.min(count - 1, 10));
}

/** A rest-server that lived shorter than this has hardly lived. */
export const SHORT_LIFE_MS = 10_000;
