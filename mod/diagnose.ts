/**
 * Finding out why a mount(2) failed, or what the kernel has against a file system that it mounted.
 * Loaded where there is something to find out.
 *
 * @module
 */
import { kernelNames } from "./disks.ts";
import { readMounts } from "./existing.ts";
import {
  blockFilesystems,
  explainMount,
  type Explanation,
  parseRights,
  warnOfMount,
} from "./explain.ts";
import type { FoundSource } from "./found.ts";
import { kernelMessages } from "./kmsg.ts";
import { ERRNO } from "./linux.ts";
import { readTextIfAny } from "./paths.ts";
import type { MountSpec } from "./source.ts";
import type { World } from "./world.ts";

/** Asks blkid what is on a device. */
export type AskType = (device: string) => Promise<string | undefined>;

/** The failed mount(2) of a source, explained with all that can be learned of it by now. */
export async function diagnose(
  errno: number,
  spec: MountSpec,
  found: FoundSource,
  records: readonly string[],
  askType: AskType,
  world: World,
): Promise<Explanation> {
  const { files, root } = world;
  const isThere = (path: string) =>
    files.stat(path).then((facts) => facts !== null).catch(() => false);
  const text = async (path: string) => await readTextIfAny(path, files).catch(() => "") ?? "";
  const isDisk = found.majorMinors.length > 0;
  const asks = isDisk && (errno === ERRNO.EINVAL || errno === ERRNO.ENODEV);
  const ask = () => asks ? askType(found.source).catch(() => undefined) : undefined;
  const about = { names: await kernelNames(found, world), fstype: spec.fstype };
  const near = kernelMessages(records, { about });
  // Where nothing is known to be about it, any line that is not about another disk can be the one.
  const any = { ...about, fstype: "" };
  return explainMount(errno, spec, {
    mounts: await readMounts(world).catch(() => []),
    filesystems: blockFilesystems(await text("/proc/filesystems")),
    blkidType: found.blkidType ?? await ask(),
    majorMinors: found.majorMinors,
    sourceExists: await isThere(spec.source),
    targetExists: await isThere(spec.target),
    root,
    rights: parseRights(await text("/proc/self/status"), await text("/proc/self/uid_map")),
    kernelLines: near.length > 0 ? near : kernelMessages(records, { about: any }),
  });
}

/** What the kernel said against a file system that it mounted; `undefined` where that is nothing known. */
export async function findWarning(
  spec: MountSpec,
  found: FoundSource,
  records: readonly string[],
  world: World,
): Promise<string | undefined> {
  const about = { names: await kernelNames(found, world), fstype: spec.fstype };
  // All of them: to the kernel it is a remark among many.
  return warnOfMount(spec, kernelMessages(records, { about, limit: Infinity }));
}
