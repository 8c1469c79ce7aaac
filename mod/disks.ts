/**
 * Block devices as the kernel lists them: their numbers, and whether a number still means the same disk.
 *
 * @module
 */
import type { FoundSource } from "./found.ts";
import { majorMinor } from "./linux.ts";
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

/**
 * The number of the disk behind a device number, which no later disk gets again: `diskseq` of the kernel's
 * `Documentation/ABI/testing/sysfs-block`; a partition has that of its disk. "" before Linux 5.15.
 */
export async function readDiskSequence(number: string, world: World): Promise<string> {
  const device = `/sys/dev/block/${number}`;
  const text = await readTextIfAny(`${device}/diskseq`, world.files) ??
    await readTextIfAny(`${device}/../diskseq`, world.files);
  return text?.trim() ?? "";
}

/**
 * Whether the kernel knows a device number no more. Without a sysfs, as in some containers, nobody can tell:
 * that says nothing about the disk.
 */
export async function isGone(number: string, { files }: World): Promise<boolean> {
  return await files.stat(`/sys/dev/block/${number}`) === null &&
    await files.stat("/sys/dev/block") !== null;
}

/** The block devices of a moment, as the kernel lists them: no disk is touched for it. */
export interface DiskList {
  /** The text of `/proc/partitions`; "" where there is none. */
  readonly partitions: string;
  /** Device number -> {@linkcode readDiskSequence}. */
  readonly sequences: ReadonlyMap<string, string>;
}

export async function listDisks(world: World): Promise<DiskList> {
  const partitions = await readTextIfAny("/proc/partitions", world.files) ?? "";
  const numbers = [...partitions.matchAll(/^ *(\d+) +(\d+) /gm)].map(([, a, b]) => `${a}:${b}`);
  const sequences = await Promise.all(
    numbers.map(async (number) => [number, await readDiskSequence(number, world)] as const),
  );
  return { partitions, sequences: new Map(sequences) };
}

/** `major:minor` of a device by its path; `undefined` where no block device is there. */
export async function deviceNumber(path: string, world: World): Promise<string | undefined> {
  const facts = await world.files.stat(path);
  return facts?.kind === "block device" ? majorMinor(facts.rdev) : undefined;
}

/** The kernel's names of disks and their partitions, and of what lies under a RAID or an unlocked disk. */
export async function kernelNames(
  { source, majorMinors }: FoundSource,
  { files }: World,
): Promise<string[]> {
  const names = await Promise.all(majorMinors.map(async (number) => {
    const device = `/sys/dev/block/${number}`;
    const [, path = ""] = (await files.readLink(device).catch(() => "")).split("/block/");
    const below = await files.list(`${device}/slaves`).catch((): string[] => []);
    return [...path.split("/"), ...below];
  }));
  return [...names.flat(), source.slice(source.lastIndexOf("/") + 1)].filter((name) => name !== "");
}
