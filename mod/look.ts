/**
 * One look at the disks: which block devices the source means at this moment.
 *
 * @module
 */
import { askBlkid, type Blkid } from "./ask_blkid.ts";
import { type BlockDevice, contentOf } from "./blkid.ts";
import type { MountConfig } from "./config.ts";
import { deviceNumber, type DiskList, listDisks } from "./disks.ts";
import { Failure, messageOf } from "./exit.ts";
import { type FoundSource, foundSource, type Look } from "./found.ts";
import { lookAtBtrfs, readSupers } from "./look_btrfs.ts";
import {
  findNearMisses,
  judgeCandidates,
  type Match,
  matchTag,
  type SourceSpec,
  type Tag,
} from "./source.ts";
import type { FileFacts, World } from "./world.ts";

/** Of any other type the table of layers may know that no kernel mounts it. */
const FILE_SYSTEM = /^(?:ext[234]|xfs|btrfs|vfat|exfat|f2fs|iso9660|udf)$/;

/**
 * Refuses disks that are all of a type that no kernel mounts.
 *
 * @throws {Failure} "configuration" that says what the first one is, and what to do.
 */
async function refuseLayers(devices: readonly BlockDevice[], mount: MountConfig): Promise<void> {
  const types = devices.map(({ tags }) => tags["TYPE"] ?? "");
  // Who names the type knows better: a file system made over an old ZFS pool is still called one.
  if (mount.fstype !== null || types.some((type) => type === "" || FILE_SYSTEM.test(type))) return;
  const { unmountable } = await import("./layers.ts");
  const layers = devices.map(({ path }, i) => unmountable(types[i], path));
  const [first] = layers;
  if (first === undefined || layers.includes(undefined)) return;
  const paths = devices.map(({ path }) => `"${path}"`).join(", ");
  throw new Failure("configuration", `Cannot mount ${paths}: ${first.because}; ${first.hint}`);
}

/** Why there is nothing to mount on a device without a file system. */
async function describeUntyped(device: BlockDevice): Promise<string> {
  const { unmountable } = await import("./layers.ts");
  const known = unmountable(contentOf(device), device.path);
  return known === undefined
    ? `blkid knows no file system on "${device.path}"; ` +
      "make one with mkfs where it is the right disk and may be erased, or set MNT_FSTYPE"
    : `nothing can be mounted from "${device.path}": ${known.because}; ${known.hint}`;
}

async function lookAtDevice(device: BlockDevice, mount: MountConfig, world: World): Promise<Look> {
  const number = await deviceNumber(device.path, world);
  if (number === undefined) {
    return { kind: "waiting", why: `"${device.path}" has just gone`, failed: true };
  }
  const blkidType = contentOf(device);
  const fstype = mount.fstype ?? device.tags["TYPE"];
  if (fstype === undefined) return { kind: "waiting", why: await describeUntyped(device) };
  await refuseLayers([device], mount);
  return {
    kind: "found",
    found: foundSource(device.path, fstype, { blkidType, majorMinors: [number] }),
  };
}

async function lookAtMatch(match: Match, mount: MountConfig, world: World): Promise<Look> {
  switch (match.kind) {
    case "none":
      return { kind: "waiting", why: "no such device" };
    case "one":
      return await lookAtDevice(match.device, mount, world);
    case "btrfs":
      return mount.fstype === null || mount.fstype === "btrfs"
        ? await lookAtBtrfs(match.members, match.fsid, mount, world)
        : await lookAtDevice(match.members[0]!, mount, world);
    case "ambiguous": {
      await refuseLayers(match.devices, mount);
      const paths = match.devices.map((device) => `"${device.path}"`).join(", ");
      return { kind: "waiting", why: `ambiguous, ${match.why}: ${paths}; unplug all but one` };
    }
  }
}

/** Of more devices than this the names alone are said: it is one line of the log. */
const MAX_VALUES = 8;

/** What blkid sees, each device with its value of the tag: what a wrong one is compared with. */
function describeSeen(devices: readonly BlockDevice[], tag: Tag): string {
  if (devices.length === 0) return "blkid sees no devices at all";
  const names = devices.map(({ path, tags }) =>
    tags[tag] === undefined || devices.length > MAX_VALUES ? path : `${path} (${tag}=${tags[tag]})`
  );
  return `blkid sees ${names.join(", ")}`;
}

async function lookByTag(
  spec: SourceSpec & { kind: "tag" },
  mount: MountConfig,
  blkid: Blkid,
  world: World,
  signal: AbortSignal,
): Promise<Look> {
  const devices = await askBlkid(blkid, undefined, world, signal);
  const match = matchTag(spec.tag, spec.value, devices);
  const look = await lookAtMatch(match, mount, world);
  if (match.kind !== "none" || look.kind === "found") return look;
  const seen = describeSeen(devices, spec.tag);
  const near = findNearMisses(spec.tag, spec.value, devices).map(({ why }) => why);
  const rights = world.root ? [] : ["only root can read disks"];
  return { kind: "waiting", why: ["no such device", seen, ...near, ...rights].join("; ") };
}

async function lookByPath(
  path: string,
  mount: MountConfig,
  blkid: Blkid,
  world: World,
  signal: AbortSignal,
): Promise<Look> {
  const facts = await world.files.stat(path);
  if (facts === null) {
    // The kernel gives such names in the order in which disks come.
    const rename = /^\/dev\/[^/]+$/.test(path) ? "; UUID= finds a disk under any name" : "";
    return { kind: "waiting", why: `no such device${rename}` };
  }
  if (facts.kind !== "block device") {
    throw new Failure(
      "configuration",
      `Cannot mount "${path}": it is ${described(facts.kind)}, not a block device; ` +
        "set MNT_SOURCE to a disk or a partition (attach an image with losetup first)",
    );
  }
  const device: BlockDevice = { path, tags: {} };
  if (mount.fstype !== null && mount.fstype !== "btrfs") {
    return await lookAtDevice(device, mount, world);
  }
  const [known = device] = await askBlkid(blkid, path, world, signal);
  const named: BlockDevice = { path, tags: known.tags };
  if (known.tags["TYPE"] !== "btrfs") return await lookAtDevice(named, mount, world);
  const single = (await readSupers([named], world)).get(named)?.numDevices === 1;
  const fsid = known.tags["UUID"]!;
  if (single) return await lookAtBtrfs([named], fsid, mount, world);
  const devices = await askBlkid(blkid, undefined, world, signal);
  return await lookAtMatch(judgeCandidates([named], devices), mount, world);
}

/** One look: what the source means now. Faults of blkid are reasons to wait, but for a missing blkid. */
async function look(
  mount: MountConfig,
  blkid: Blkid,
  world: World,
  signal: AbortSignal,
): Promise<Look> {
  const spec = mount.source;
  if (spec.kind === "other") {
    return {
      kind: "found",
      found: foundSource(spec.text, mount.fstype!),
    };
  }
  try {
    return spec.kind === "tag"
      ? await lookByTag(spec, mount, blkid, world, signal)
      : await lookByPath(spec.path, mount, blkid, world, signal);
  } catch (error) {
    if (error instanceof Failure) throw error;
    return { kind: "waiting", why: messageOf(error), failed: true };
  }
}

function described(kind: FileFacts["kind"]): string {
  return kind === "other" ? "a special file" : `a ${kind}`;
}

/**
 * One look, with what tells a disk from another one that takes its number before it is mounted.
 *
 * @param disks as they were listed just before, where that has been done.
 */
export async function lookOnce(
  mount: MountConfig,
  blkid: Blkid,
  world: World,
  signal: AbortSignal,
  disks?: DiskList,
): Promise<Look> {
  const { sequences: before } = disks ?? await listDisks(world);
  const result = await look(mount, blkid, world, signal);
  const withSequences = (found: FoundSource): FoundSource => {
    const known = found.majorMinors.filter((number) => before.has(number));
    if (known.length === 0) return found;
    return {
      ...found,
      diskSequences: new Map(known.map((number) => [number, before.get(number)!])),
    };
  };
  if (result.kind === "found") return { kind: "found", found: withSequences(result.found) };
  return result.soft === undefined ? result : { ...result, soft: withSequences(result.soft) };
}
