/**
 * Signals that this process must not take, although Deno would.
 *
 * @module
 */
import { SIG_DFL, SIG_IGN, type SignalName, SIGNALS } from "../mod/linux.ts";
import type { Libc } from "./libc.ts";

/**
 * Has the kernel drop a signal, see signal(2). Deno installs each of its handlers once, at the first
 * listener: one is added here, so that no later one undoes this.
 */
export function ignoreSignal(libc: Libc, name: SignalName): void {
  Deno.addSignalListener(name as Deno.Signal, () => {});
  libc.signal(SIGNALS[name], SIG_IGN);
}

/** Starts a program without the ignored signal: it would inherit that through execve(2). */
export function withDefaultSignal<T>(libc: Libc, name: SignalName, start: () => T): T {
  libc.signal(SIGNALS[name], SIG_DFL);
  try {
    return start();
  } finally {
    libc.signal(SIGNALS[name], SIG_IGN);
  }
}
