/**
 * The first moments of rest-server, in which a signal that is passed on would end it.
 *
 * @module
 */
import { type SignalName, SIGNALS } from "./linux.ts";
import { readTextIfAny } from "./paths.ts";
import { maskHolds } from "./signals.ts";
import type { World } from "./world.ts";

/** How long it may take from execve(2) until it catches signals, also on a slow Pi. */
const BEGIN_MS = 5000;
const LOOK_EVERY_MS = 10;
/** The Go runtime catches SIGHUP at once, and ends by it until rest-server asks for it: nothing tells when. */
const RELOADS_AFTER_MS = 1000;

/**
 * Waits until a signal does what it is meant to do, or until `ended`.
 *
 * @param reloads whether it is to make rest-server read `.htpasswd` again.
 * @param launchedMs when rest-server became what runs under `pid`.
 */
export async function untilTaken(
  signal: SignalName,
  reloads: boolean,
  pid: number,
  launchedMs: number,
  world: World,
  ended: AbortSignal,
): Promise<void> {
  const { clock } = world;
  if (reloads) return await clock.sleep(launchedMs + RELOADS_AFTER_MS - clock.now(), ended);
  while (clock.now() < launchedMs + BEGIN_MS && await isDeadly(signal, pid, world)) {
    await clock.sleep(LOOK_EVERY_MS, ended);
    if (ended.aborted) return;
  }
}

/** Whether the signal would have its default action in the kernel: nobody has said yet what it is to do. */
async function isDeadly(signal: SignalName, pid: number, { files }: World): Promise<boolean> {
  const status = await readTextIfAny(`/proc/${pid}/status`, files);
  if (status === undefined) return false;
  const fields = ["SigCgt", "SigIgn", "SigBlk"] as const;
  return !fields.some((field) => maskHolds(status, field, SIGNALS[signal]));
}
