/**
 * Which signals the wrapper takes, and what each one does.
 *
 * @module
 */
import type { SignalName } from "./linux.ts";

/** What a signal does while rest-server runs. */
export type SignalAction =
  /** Forwarded, then the wrapper waits for rest-server, unmounts and exits. */
  | "stop"
  /** Forwarded; rest-server decides what it means. */
  | "pass"
  /** Forwarded where rest-server reads `.htpasswd` again on it, else dropped: it would die of it. */
  | "reload";

/** One row of {@linkcode FORWARDED_SIGNALS}. */
export interface ForwardedSignal {
  readonly name: SignalName;
  readonly action: SignalAction;
  /** What it does while no rest-server runs. */
  readonly alone: "stop" | "nothing";
}

/**
 * Every signal that would end the wrapper by its default action (signal(7)) and that a process can
 * take, less the ones that report a defect (SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP),
 * SIGPIPE, which the runtime ignores, and SIGUSR1, on which the runtime would open a debugger: it is
 * ignored, as rest-server does, too.
 */
export const FORWARDED_SIGNALS: readonly ForwardedSignal[] = [
  { name: "SIGTERM", action: "stop", alone: "stop" },
  { name: "SIGINT", action: "stop", alone: "stop" },
  { name: "SIGQUIT", action: "pass", alone: "stop" },
  { name: "SIGHUP", action: "reload", alone: "nothing" },
  { name: "SIGUSR2", action: "pass", alone: "nothing" },
  { name: "SIGALRM", action: "pass", alone: "nothing" },
  { name: "SIGVTALRM", action: "pass", alone: "nothing" },
  { name: "SIGPROF", action: "pass", alone: "nothing" },
  { name: "SIGXCPU", action: "pass", alone: "nothing" },
  { name: "SIGXFSZ", action: "pass", alone: "nothing" },
  { name: "SIGSTKFLT", action: "pass", alone: "nothing" },
  { name: "SIGIO", action: "pass", alone: "nothing" },
  { name: "SIGPWR", action: "pass", alone: "nothing" },
];

/** One Ctrl-C can arrive twice, from the terminal and from a parent that forwards it; within this time it is one. */
export const SAME_KEYPRESS_MS = 250;

/**
 * Holds the signals from the first moment on, whoever listens: a stop that came before anything else
 * ran is not lost.
 */
export class Signals {
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(signal: SignalName) => void>();
  #hurry = new AbortController();
  #stopMs = 0;

  /** Aborted by the first signal that ends the program; its `reason` is the signal's name. */
  get stopping(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by a SIGINT that comes after a stop: the user does not want to wait. */
  get hurrying(): AbortSignal {
    return this.#hurry.signal;
  }

  /** The signal that stops the program; `undefined` where none came. */
  get stopSignal(): SignalName | undefined {
    return this.stopping.aborted ? this.stopping.reason as SignalName : undefined;
  }

  /** Calls `listener` for each signal from now on, until the returned function is called. */
  listen(listener: (signal: SignalName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a signal of {@linkcode FORWARDED_SIGNALS} that arrived at `nowMs`. */
  take(signal: SignalName, nowMs: number): void {
    const row = FORWARDED_SIGNALS.find(({ name }) => name === signal);
    const serving = this.#listeners.size > 0;
    const stops = row?.action === "stop" || (row?.alone === "stop" && !serving);
    if (stops && !this.stopping.aborted) {
      this.#stopMs = nowMs;
      this.#stop.abort(signal);
    } else if (
      signal === "SIGINT" && this.stopping.aborted && nowMs - this.#stopMs > SAME_KEYPRESS_MS
    ) {
      this.#hurry.abort(signal);
    }
    for (const listener of this.#listeners) listener(signal);
  }
}

/** Whether a mask of `/proc/self/status` (such as `SigIgn`, hexadecimal, see proc(5)) holds a signal's number. */
export function maskHolds(
  status: string,
  field: "SigIgn" | "SigBlk" | "SigCgt",
  number: number,
): boolean {
  const [, mask] = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(status) ?? [];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(number - 1)) & 1n) === 1n;
}
