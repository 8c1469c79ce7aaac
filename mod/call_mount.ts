/**
 * The call of mount(2), and what stands in its way.
 *
 * @module
 */
import { announced } from "./announce.ts";
import type { AskType } from "./diagnose.ts";
import { compareFlags, deathOf, isOfSource, readMounts } from "./existing.ts";
import { messageOf } from "./exit.ts";
import type { Explanation } from "./explain.ts";
import type { FoundSource } from "./found.ts";
import { UNCLEAN } from "./kmsg.ts";
import { ERRNO, MS_BIND, MS_REMOUNT } from "./linux.ts";
import { formatFlags } from "./mount_options.ts";
import { mountAt, type MountInfo } from "./mountinfo.ts";
import { describeMount, type MountSpec } from "./source.ts";
import type { World } from "./world.ts";

/** A mount(2) that failed, or what it mounted cannot be served. */
export class MountError extends Error {
  override name = "MountError";
  readonly explanation: Explanation;
  /** @param errno `null` where no call of the kernel failed. */
  constructor(readonly spec: MountSpec, readonly errno: number | null, explanation: Explanation) {
    super(sentence(explanation));
    this.explanation = explanation;
  }

  /** The message, with what comes of it now. */
  followedBy(now: string): string {
    return sentence(this.explanation, now);
  }
}

/** The kernel's words come last: behind them nobody could tell who says what. */
function sentence({ text, kernel = [] }: Explanation, ...more: readonly string[]): string {
  const words = kernel.length === 0 ? [] : [`the kernel says: ${kernel.join(" | ")}`];
  return [text, ...more, ...words].join("; ");
}

/**
 * mount(2), explained where it fails.
 *
 * @returns what the kernel said against the file system, though it mounted it; mostly nothing.
 * @throws {MountError} where it fails.
 */
export async function callMount(
  spec: MountSpec,
  found: FoundSource,
  askType: AskType,
  world: World,
): Promise<string | undefined> {
  const kernelLog = world.openKernelLog();
  try {
    const call = world.mounter.mount(spec);
    const errno = await announced(`mount(2) of ${describeMount(spec)}`, call, world);
    const records = kernelLog?.read() ?? [];
    if (errno === 0 && !records.some((record) => UNCLEAN.test(record))) return undefined;
    const diagnosis = import("./diagnose.ts");
    if (errno === 0) {
      const warning = diagnosis.then((it) => it.findWarning(spec, found, records, world));
      // What is mounted by now is not given up for want of a warning.
      return await warning.catch(() => undefined);
    }
    const { diagnose } = await diagnosis;
    const explanation = await diagnose(errno, spec, found, records, askType, world);
    throw new MountError(spec, errno, explanation);
  } finally {
    kernelLog?.close();
  }
}

/** Makes the flags of a mount that was there those that were asked for. @throws {MountError} */
export async function alignFlags(
  info: MountInfo,
  spec: MountSpec,
  found: FoundSource,
  askType: AskType,
  world: World,
): Promise<void> {
  const { actual, wanted } = compareFlags(info, spec);
  if (wanted === actual) return;
  const remount = { ...spec, flags: wanted | MS_REMOUNT | MS_BIND, data: "" };
  await callMount(remount, found, askType, world);
  world.log.info(
    `changed the options of the mount on "${spec.target}" from ${formatFlags(actual)} to ${
      formatFlags(wanted)
    }`,
    { event: "mount-changed", options: formatFlags(wanted) },
  );
}

/**
 * Waits until an export that is mounted already answers. Nothing may ask it before: without a word it would
 * wait as long as the server is away, or take its silence for a fault of the configuration.
 *
 * @throws {MountError} to be tried again.
 */
export async function awaitServer(spec: MountSpec, world: World): Promise<void> {
  const { target, source } = spec;
  if (mountAt(await readMounts(world), target) === undefined) return;
  try {
    // stat(2) would be answered from the cache, open(2) asks the server.
    const what = `an answer from the mount of "${source}" on "${target}"`;
    await announced(what, world.files.list(target), world);
  } catch (error) {
    throw new MountError(spec, null, {
      retry: true,
      kind: "mount",
      text: `Cannot take over the mount of "${source}" on "${target}": ${messageOf(error)}; ` +
        "check the network and the server",
    });
  }
}

/**
 * A file system that was detached, or is dead, lives on in the kernel until nobody holds it: mount(2) would
 * give the same dead one again.
 *
 * @throws {MountError} to be tried again.
 */
export async function requireUnused(
  spec: MountSpec,
  found: FoundSource,
  world: World,
): Promise<void> {
  if (found.majorMinors.length === 0) return;
  for (const device of [found.source, ...found.otherMembers]) {
    const look = world.mounter.isInUse(device);
    if (!await announced(`open(2) of "${device}"`, look, world)) continue;
    // The list of mounts can be long: it is read only where it has something to explain.
    const holder = await describeUse(found, world);
    if (holder === undefined) return;
    throw new MountError(spec, ERRNO.EBUSY, {
      retry: true,
      kind: "mount",
      text: `Cannot mount ${describeMount(spec)}: "${device}" is in use, ${holder}`,
    });
  }
}

/** What holds a file system that is not to be mounted again; `undefined` where a mount that lives does. */
async function describeUse(found: FoundSource, world: World): Promise<string | undefined> {
  let dead: string | undefined;
  for (const mount of await readMounts(world)) {
    if (!await isOfSource(mount, found, world)) continue;
    const death = await deathOf(mount, world);
    if (death === undefined) return undefined;
    dead = `and its mount on "${mount.mountPoint}" cannot be used: ${death}; unmount that one`;
  }
  return dead ?? "though no mount here shows it: a file system that was detached is held by some " +
      "process, or another mount namespace has it mounted";
}
