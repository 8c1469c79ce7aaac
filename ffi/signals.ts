/**
 * Signals that this process must not take, although Deno would.
 *
 * @module
 */
import { RTLD_DEFAULT, SIG_IGN, type SignalName, SIGNALS } from "../mod/linux.ts";
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
export function ignoreSignal(libc: Libc, name: SignalName): void {
  handle(libc, name, SIG_IGN);
}

/**
 * Does nothing on a signal, for this process alone: a handler, unlike SIG_IGN, does not pass execve(2).
 * getppid(2) is one that may be called at any moment and changes nothing.
 */
export function dropSignal(libc: Libc, name: SignalName): void {
  const nothing = libc.dlsym(RTLD_DEFAULT, cString("getppid"));
  handle(libc, name, BigInt(Deno.UnsafePointer.value(nothing)));
}
