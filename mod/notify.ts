/**
 * What a service manager is told by sd_notify(3), and what it asks for: as text.
 *
 * @module
 */
import { AF_UNIX } from "./linux.ts";

/** The part of the program's state that is told. */
export interface Told {
  readonly phase: string;
  readonly text: string;
  readonly source: string | null;
  readonly failure: { readonly text: string } | null;
}

/** Names and values of one message: `READY`, `STATUS`, `STOPPING`, `WATCHDOG`, `EXTEND_TIMEOUT_USEC`. */
export type Assignments = Readonly<Record<string, string>>;

/** systemd drops a message of more than 4096 bytes, `NOTIFY_BUFFER_MAX` in `src/core/manager.c`. */
const STATUS_MAX_BYTES = 2000;

// deno-lint-ignore no-control-regex -- a line end would begin another assignment
const CONTROL = /[\x00-\x1f\x7f-\x9f]+/g;

/** One line for `systemctl status`. */
export function statusText({ phase, text, source, failure }: Told): string {
  const doing = phase === "starting" && source !== null ? `waiting for ${source}` : text;
  if (failure === null || phase === "serving" || phase === "stopping") return doing;
  return doing.includes(failure.text) ? doing : `${doing}; last failure: ${failure.text}`;
}

/**
 * Whether the program runs as far as systemd is concerned: whatever its disk does, but not where it ends
 * before it has begun.
 */
export function isReady({ phase, failure }: Told): boolean {
  return phase !== "starting" || failure === null;
}

/** Cuts a text to a number of bytes, between two characters. */
function cut(text: string, maxBytes: number): string {
  const bytes = new Uint8Array(maxBytes);
  const { read } = new TextEncoder().encodeInto(text, bytes);
  return text.slice(0, read);
}

/** The bytes of one message: UTF-8, one assignment a line. */
export function encodeMessage(assignments: Assignments): Uint8Array<ArrayBuffer> {
  const lines = Object.entries(assignments).map(([name, value]) =>
    `${name}=${cut(value.replace(CONTROL, " ").trim(), STATUS_MAX_BYTES)}\n`
  );
  return new TextEncoder().encode(lines.join(""));
}

/** Time that a sync and an unmount may take after rest-server has ended, or from a sign of life on. */
const UNMOUNT_MS = 60_000;

/** What a stop begins with: it may take as long as `MNT_STOP` says, whatever the unit allows. */
export function stoppingMessage(stopMs: number): Assignments {
  return { STOPPING: "1", EXTEND_TIMEOUT_USEC: String((stopMs + UNMOUNT_MS) * 1000) };
}

/** That a stop is still under way. */
export const STILL_STOPPING: Assignments = { EXTEND_TIMEOUT_USEC: String(UNMOUNT_MS * 1000) };

/**
 * How often a sign of life is wanted: at half of `WATCHDOG_USEC`, see sd_watchdog_enabled(3).
 *
 * @returns milliseconds; `null` where none is wanted, or of another process.
 */
export function watchdogMs(
  environment: Readonly<Record<string, string>>,
  pid: number,
): number | null {
  const { WATCHDOG_USEC: wanted = "", WATCHDOG_PID: process = String(pid) } = environment;
  if (!/^[1-9]\d{0,15}$/.test(wanted) || process !== String(pid)) return null;
  return Math.max(1, Math.floor(Number(wanted) / 2000));
}

/** `sun_path` of `struct sockaddr_un`, see unix(7). */
const PATH_MAX_BYTES = 108;

/**
 * The `struct sockaddr_un` of `NOTIFY_SOCKET`: an absolute path, or `@` and the name of an abstract socket.
 *
 * @throws {RangeError} for anything else, and for what is too long.
 */
export function socketAddress(name: string): Uint8Array<ArrayBuffer> {
  if (!/^[/@]./.test(name) || name.includes("\0")) {
    throw new RangeError("neither an absolute path nor @ and a name");
  }
  const abstract = name.startsWith("@");
  // An abstract name begins with a zero and ends with its last byte; a path ends with a zero.
  const path = new TextEncoder().encode(abstract ? `\0${name.slice(1)}` : `${name}\0`);
  if (path.length > PATH_MAX_BYTES) throw new RangeError(`longer than ${PATH_MAX_BYTES} bytes`);
  return Uint8Array.of(AF_UNIX, 0, ...path);
}
