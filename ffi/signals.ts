/**
 * Listening for signals, and those that this process must not take, although Deno would.
 *
 * @module
 */
import { Failure, messageOf } from "../mod/exit.ts";
import { RTLD_DEFAULT, SIG_IGN, type SignalName, SIGNALS } from "../mod/linux.ts";
import { FORWARDED_SIGNALS, maskHolds, type Signals } from "../mod/signals.ts";
import { cString, type Libc } from "./libc.ts";

/**
 * Has the kernel call a handler, see signal(2). Deno installs each of its handlers once, at the first
 * listener: one is added here, so that no later one undoes this.
 */
function handle(libc: Libc, name: SignalName, handler: bigint): void {
  Deno.addSignalListener(name as Deno.Signal, () => {});
  libc.signal(SIGNALS[name], handler);
}

/** Has the kernel drop a signal, for this process and for the programs that it starts. */
function ignoreSignal(libc: Libc, name: SignalName): void {
  handle(libc, name, SIG_IGN);
}

/**
 * Does nothing on a signal, for this process alone: a handler, unlike SIG_IGN, does not pass execve(2).
 * getppid(2) is one that may be called at any moment and changes nothing.
 */
function dropSignal(libc: Libc, name: SignalName): void {
  const nothing = libc.dlsym(RTLD_DEFAULT, cString("getppid"));
  handle(libc, name, BigInt(Deno.UnsafePointer.value(nothing)));
}

/** proc(5) of this process; without /proc nothing of what follows could be known. */
function ownStatus(): string {
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch (error) {
    const why = messageOf(error);
    throw new Failure("configuration", `Cannot run without /proc: ${why}; mount it (proc(5))`);
  }
}

/**
 * Takes every signal of the table. A SIGHUP that was ignored at start, as by nohup(1), stays ignored, and
 * SIGUSR1 does nothing: half a second after its start Deno would open a debugger on it, for anybody here.
 *
 * @throws {Failure} "configuration" where there is no /proc.
 */
export function listenForSignals(signals: Signals, libc: Libc): void {
  const ignored = maskHolds(ownStatus(), "SigIgn", SIGNALS.SIGHUP) ? "SIGHUP" : undefined;
  for (const { name } of FORWARDED_SIGNALS) {
    if (name === ignored) continue;
    Deno.addSignalListener(name as Deno.Signal, () => signals.take(name, performance.now()));
  }
  dropSignal(libc, "SIGUSR1");
  if (ignored !== undefined) ignoreSignal(libc, ignored);
}
