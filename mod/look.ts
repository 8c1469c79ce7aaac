/**
 * One look at the disks: which block devices the source means at this moment.
 *
 * @module
 */
import { type BlockDevice, contentOf, parseBlkid } from "./blkid.ts";
import { type BtrfsSuper, parseBtrfsSuper, SUPER_OFFSET, SUPER_SIZE_BYTES } from "./btrfs.ts";
import type { MountConfig } from "./config.ts";
import { Failure, messageOf } from "./exit.ts";
import { majorMinor } from "./linux.ts";
import { splitOptions } from "./mount_options.ts";
import { readTextIfAny } from "./paths.ts";
import {
  findNearMisses,
  judgeCandidates,
  type Match,
  matchTag,
  type SourceSpec,
  type Tag,
} from "./source.ts";
import type { FileFacts, World } from "./world.ts";

/** A source that can be mounted now. */
export interface FoundSource {
  /** The source of mount(2). */
  readonly source: string;
  readonly fstype: string;
  /** What blkid says is on it; `undefined` where it was not asked. */
  readonly blkidType: string | undefined;
  /** Device numbers; empty for a source that is no device. */
  readonly majorMinors: readonly string[];
  /** Further members of a btrfs of several disks, for `device=`. */
  readonly otherMembers: readonly string[];
  /** UUID of the btrfs; `undefined` for other file systems. */
  readonly fsid: string | undefined;
  /** What the log should say of it, such as a lost member. */
  readonly warnings: readonly string[];
  /**
   * Device number -> {@linkcode readDiskSequence} of before blkid was asked: a number that was given to
   * another disk since has another one.
   */
  readonly diskSequences?: ReadonlyMap<string, string>;
}

/** A source with nothing known of it but these facts. */
export function foundSource(
  source: string,
  fstype: string,
  facts: Partial<FoundSource> = {},
): FoundSource {
  const nothing = { blkidType: undefined, majorMinors: [], otherMembers: [], fsid: undefined };
  return { ...nothing, warnings: [], ...facts, source, fstype };
}

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

/** What a look found. */
export type Look =
  | { readonly kind: "found"; readonly found: FoundSource }
  /** `soft`: with `degraded` it may be mounted as it is, once the others were awaited long enough. */
  | {
    readonly kind: "waiting";
    readonly why: string;
    readonly soft?: FoundSource;
    /** The look itself failed, as where blkid did: the next one can go well though no disk comes or goes. */
    readonly failed?: true;
  };

/** blkid reads every disk; one that has to spin up first takes some 10 s. */
const BLKID_LIMIT_MS = 30_000;

/** blkid, where it is. */
export interface Blkid {
  readonly program: string;
}

/** Whether the source can be found only with blkid. */
export function needsBlkid({ source, fstype }: Pick<MountConfig, "source" | "fstype">): boolean {
  if (source.kind === "tag") return true;
  return source.kind === "path" && (fstype === null || fstype === "btrfs");
}

/**
 * Asks blkid, with its cache off, of one device or of all.
 *
 * @throws {Error} with blkid's own words where it fails, so that the look can be repeated.
 * @throws {Failure} where it cannot be run at all.
 */
export async function askBlkid(
  blkid: Blkid,
  device: string | undefined,
  world: World,
  signal: AbortSignal,
): Promise<BlockDevice[]> {
  const run = async (args: readonly string[]) => {
    try {
      return await world.programs.output(blkid.program, args, BLKID_LIMIT_MS, signal);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
        throw new Failure(
          "configuration",
          `Cannot run blkid "${blkid.program}": ${error.message}; ` +
            "install util-linux, or set MNT_BLKID, or name the disk by path and set MNT_FSTYPE",
          { cause: error },
        );
      }
      throw error;
    }
  };
  const only = device === undefined ? [] : [device];
  const startMs = world.clock.now();
  let output = await run(["-c", "/dev/null", ...only]);
  // util-linux says "nothing found" by exit 2. An empty success is busybox, which takes no options.
  if (output.code === 0 && output.stdout.trim() === "") output = await run(only);
  signal.throwIfAborted();
  if (output.signal === "SIGKILL" && world.clock.now() - startMs >= BLKID_LIMIT_MS) {
    throw new Error(`blkid did not answer within ${BLKID_LIMIT_MS / 1000} s; is a disk hanging?`);
  }
  if (output.code !== 0 && output.code !== 2) {
    const said = output.stderr.trim().split("\n").at(-1) || "it said nothing";
    throw new Error(`blkid failed with ${output.signal ?? `exit ${output.code}`}: ${said}`);
  }
  return parseBlkid(output.stdout);
}

/** The super block of each member; members that cannot be read are left out. */
async function readSupers(
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

async function deviceNumber(path: string, world: World): Promise<string | undefined> {
  const facts = await world.files.stat(path);
  return facts?.kind === "block device" ? majorMinor(facts.rdev) : undefined;
}

/** Judges a btrfs by its super blocks: all members, counted by distinct devid, or a wait. */
async function lookAtBtrfs(
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

/** Of any other type the table of hints may know that no kernel mounts it. */
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
  const { unmountable } = await import("./hints.ts");
  const layers = devices.map(({ path }, i) => unmountable(types[i], path));
  const [first] = layers;
  if (first === undefined || layers.includes(undefined)) return;
  const paths = devices.map(({ path }) => `"${path}"`).join(", ");
  throw new Failure("configuration", `Cannot mount ${paths}: ${first.because}; ${first.hint}`);
}

/** Why there is nothing to mount on a device without a file system. */
async function describeUntyped(device: BlockDevice): Promise<string> {
  const { unmountable } = await import("./hints.ts");
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
