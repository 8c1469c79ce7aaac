/**
 * One look at a btrfs: which of its disks are there, by their super blocks.
 *
 * @module
 */
import type { BlockDevice } from "./blkid.ts";
import { type BtrfsSuper, parseBtrfsSuper, SUPER_OFFSET, SUPER_SIZE_BYTES } from "./btrfs.ts";
import type { MountConfig } from "./config.ts";
import { deviceNumber } from "./disks.ts";
import type { FoundSource, Look } from "./found.ts";
import { splitOptions } from "./mount_options.ts";
import type { World } from "./world.ts";

/** The super block of each member; members that cannot be read are left out. */
export async function readSupers(
  members: readonly BlockDevice[],
  world: World,
): Promise<Map<BlockDevice, BtrfsSuper>> {
  const supers = new Map<BlockDevice, BtrfsSuper>();
  await Promise.all(members.map(async (member) => {
    try {
      const bytes = await world.files.readAt(member.path, SUPER_OFFSET, SUPER_SIZE_BYTES);
      supers.set(member, parseBtrfsSuper(bytes));
    } catch {
      // An unreadable member is a missing one; the count says so.
    }
  }));
  return supers;
}

/** Judges a btrfs by its super blocks: all members, counted by distinct devid, or a wait. */
export async function lookAtBtrfs(
  members: readonly BlockDevice[],
  fsid: string,
  mount: MountConfig,
  world: World,
): Promise<Look> {
  const supers = [...await readSupers(members, world)].toSorted(([, a], [, b]) =>
    a.devid - b.devid
  );
  const [first] = supers;
  if (first === undefined) {
    const paths = members.map((member) => `"${member.path}"`).join(", ");
    return { kind: "waiting", why: `no btrfs super block can be read on ${paths}`, failed: true };
  }
  // busybox prints no UUID_SUB, so copies show only here; so does a replaced member that came back.
  const twins = supers.filter(([, a]) => supers.some(([, b]) => a !== b && a.devid === b.devid));
  if (twins.length > 0) {
    const paths = twins.map(([member]) => `"${member.path}"`).join(", ");
    const why = `ambiguous, they are copies of one btrfs member: ${paths}; unplug all but one`;
    return { kind: "waiting", why };
  }
  const wanted = Math.max(...supers.map(([, superBlock]) => superBlock.numDevices));
  const devids = new Set(supers.map(([, superBlock]) => superBlock.devid));
  const generations = supers.map(([, superBlock]) => superBlock.generation);
  const paths = supers.map(([member]) => member.path);
  const numbers = await Promise.all(paths.map((path) => deviceNumber(path, world)));
  if (numbers.includes(undefined)) {
    return { kind: "waiting", why: "a member has just gone", failed: true };
  }
  const warnings: string[] = [];
  if (generations.some((generation) => generation !== generations[0])) {
    warnings.push(
      `members of the btrfs are not of the same generation (${
        supers.map(([member, { generation }]) => `"${member.path}": ${generation}`).join(", ")
      }); run "btrfs scrub start ${mount.target}" once it is mounted`,
    );
  }
  const count = `${devids.size} of ${wanted} members`;
  if (devids.size < wanted) warnings.push(`going on degraded with ${count}: ${paths.join(", ")}`);
  const found: FoundSource = {
    source: paths[0]!,
    fstype: "btrfs",
    blkidType: "btrfs",
    majorMinors: numbers as string[],
    otherMembers: paths.slice(1),
    fsid,
    warnings,
  };
  if (devids.size >= wanted) return { kind: "found", found };
  const degraded = splitOptions(mount.data).includes("degraded");
  return {
    kind: "waiting",
    why: `btrfs ${fsid}: ${count} (${paths.join(", ")})`,
    ...(degraded ? { soft: found } : {}),
    // A member that could not be read is there.
    ...(supers.length < members.length ? { failed: true } : {}),
  };
}
