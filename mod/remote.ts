/**
 * Mounts of what is no device, such as an NFS export: their server can be away for ever, and the kernel
 * waits for it in calls that no signal ends.
 *
 * @module
 */
import { announced } from "./announce.ts";
import type { Mounted } from "./mount.ts";
import type { World } from "./world.ts";

/** Once the kernel was told to give up, a call comes back at once, or never. */
const GIVEN_UP_MS = 5000;

/** Whether a server stands behind the mount, and no device of this machine. */
export function isRemote({ found }: Pick<Mounted, "found">): boolean {
  return found.majorMinors.length === 0;
}

/**
 * Frees whoever waits for the server of a mount; what was to be written there is lost. A mount that somebody
 * else made is left to wait.
 */
export function freeWaiters(what: string, mounted: Mounted, world: World): void {
  if (!mounted.ours) return;
  world.log.warn(
    `${what} waits for "${mounted.found.source}", which does not answer: telling the kernel to give ` +
      "up on it (MNT_FORCE); check the network and the server, then run restic check",
    { event: "call-hangs", call: what },
  );
  // Not awaited: of a mount that nobody holds any more it is a umount2(2), too.
  void world.mounter.giveUp(mounted.info.mountPoint);
}

/**
 * Waits for a call that a server may never answer, or for a stop: the end of this program ends the call.
 *
 * @throws the reason of `stopping`.
 */
export async function untilStopped<T>(call: Promise<T>, stopping: AbortSignal): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const onStop = () => stop.reject(stopping.reason);
  if (stopping.aborted) onStop();
  stopping.addEventListener("abort", onStop);
  try {
    return await Promise.race([call, stop.promise]);
  } finally {
    stopping.removeEventListener("abort", onStop);
  }
}

/**
 * Waits for a call on a mount, and says that it hangs. A server gets `limitMs`, then the kernel is told to
 * give up on it.
 *
 * @returns `null` where even that did not bring the call back; it is left to itself.
 */
export async function patientCall<T>(
  what: string,
  call: Promise<T>,
  limitMs: number,
  mounted: Mounted,
  world: World,
): Promise<T | null> {
  if (!isRemote(mounted)) return await announced(what, call, world);
  const returned = new AbortController();
  const limit = async () => {
    await world.clock.sleep(limitMs, returned.signal);
    if (returned.signal.aborted) return null;
    freeWaiters(what, mounted, world);
    await world.clock.sleep(GIVEN_UP_MS, returned.signal);
    return null;
  };
  const limited = limit();
  try {
    return await Promise.race([call, limited]);
  } finally {
    returned.abort();
    await limited;
  }
}
