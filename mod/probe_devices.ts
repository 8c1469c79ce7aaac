/**
 * Whether the devices under a mount are there, and what ext4 has counted on them: by sysfs, which asks no disk.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { isGone, readDiskSequence } from "./disks.ts";
import type { Mounted } from "./mount.ts";
import { splitOptions } from "./mount_options.ts";
import { readTextIfAny } from "./paths.ts";
import type { ProbeResult } from "./probe.ts";
import type { World } from "./world.ts";

/** Devices that are gone from sysfs, or have become another disk. */
async function goneDevices({ found }: Mounted, world: World): Promise<string[]> {
  const gone = await Promise.all(found.majorMinors.map(async (number) => {
    if (await isGone(number, world)) return [number];
    const before = found.diskSequences?.get(number);
    return before === undefined || await readDiskSequence(number, world) === before ? [] : [number];
  }));
  return gone.flat();
}

/**
 * Whether all members that a btrfs has by now are there: some of those that it was mounted with can have been
 * removed or replaced since. A member that was pulled leaves a link behind that leads nowhere.
 */
async function hasAllMembers(fsid: string, world: World): Promise<boolean> {
  const { files } = world;
  const directory = `/sys/fs/btrfs/${fsid.toLowerCase()}`;
  const list = (name: string) => files.list(`${directory}/${name}`).catch((): string[] => []);
  const [members, names] = [await list("devinfo"), await list("devices")];
  const numbers = await Promise.all(
    names.map((name) => readTextIfAny(`${directory}/devices/${name}/dev`, files)),
  );
  const there = numbers.filter((number) => number !== undefined);
  return members.length > 0 && there.length >= members.length;
}

/** Whether the devices of a mount are there; some members may lack where `degraded` was asked for. */
export async function judgeDevices(
  mounted: Mounted,
  mount: MountConfig,
  world: World,
): Promise<ProbeResult> {
  const gone = await goneDevices(mounted, world);
  const { majorMinors, source, fsid } = mounted.found;
  if (gone.length === 0) return { lost: null, troubles: [] };
  if (fsid !== undefined && await hasAllMembers(fsid, world)) return { lost: null, troubles: [] };
  if (gone.length === majorMinors.length) {
    return { lost: `the device "${source}" is gone (${gone.join(", ")})`, troubles: [] };
  }
  const what = `${gone.length} of ${majorMinors.length} members of the btrfs are gone (${
    gone.join(", ")
  })`;
  return splitOptions(mount.data).includes("degraded")
    ? { lost: null, troubles: [`${what}: serving goes on degraded`] }
    : { lost: what, troubles: [] };
}

/** ext4's own count of errors: `Documentation/ABI/testing/sysfs-fs-ext4`. */
export async function countErrors({ info, found }: Mounted, world: World): Promise<string[]> {
  if (!/^ext[234]$/.test(info.fsType) || found.majorMinors.length === 0) return [];
  const link = await world.files.readLink(`/sys/dev/block/${found.majorMinors[0]}`).catch(() => "");
  const name = link.slice(link.lastIndexOf("/") + 1);
  const text = await readTextIfAny(`/sys/fs/ext4/${name}/errors_count`, world.files);
  const count = Number(text?.trim() ?? 0);
  return count > 0
    ? [
      `ext4 has counted ${count} error${count === 1 ? "" : "s"} on "${found.source}": ` +
      "stop this program, unmount it, and run e2fsck -f",
    ]
    : [];
}
