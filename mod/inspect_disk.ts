/**
 * What `check` asks of disks and kernel: which device the source means, and whether its file system is known.
 *
 * @module
 */
import type { BlockDevice } from "./blkid.ts";
import type { Config, MountConfig } from "./config.ts";
import { Failure, messageOf } from "./exit.ts";
import { type Finding, findingsOf, type ShownDevice, splitHint } from "./findings.ts";
import { unmountable } from "./hints.ts";
import { findSupport } from "./kernel_filesystems.ts";
import { askBlkid, type Blkid, type FoundSource, lookOnce, needsBlkid } from "./look.ts";
import { readTextIfAny } from "./paths.ts";
import { findBlkid } from "./server.ts";
import { findNearMisses, matchTag, type SourceSpec } from "./source.ts";
import type { World } from "./world.ts";

const { ok, note, warning, error, missing, failure } = findingsOf("disk");

/** What the disks say. */
export interface DiskReport {
  readonly findings: readonly Finding[];
  readonly devices: readonly ShownDevice[];
  /** What would be mounted; `null` where it cannot be now. */
  readonly found: FoundSource | null;
}

/** At most so many devices stand in a line. */
const MAX_NAMED = 12;

/** `"/dev/sdb1" (ext4, LABEL=restic, UUID=5e1c)`: what a source can name it by. */
function describeDevice({ path, tags }: Pick<BlockDevice, "path" | "tags">): string {
  const words = ["LABEL", "UUID", "PARTLABEL", "PARTUUID"]
    .flatMap((name) => tags[name] === undefined ? [] : [`${name}=${tags[name]}`]);
  return `"${path}" (${[tags["TYPE"] ?? "no file system", ...words].join(", ")})`;
}

/** Paths of the devices that the source means. */
async function meant(
  source: SourceSpec,
  devices: readonly BlockDevice[],
  world: World,
): Promise<readonly string[]> {
  if (source.kind === "path") {
    const real = await world.files.realPath(source.path).catch(() => source.path);
    return [source.path, real];
  }
  if (source.kind === "other") return [];
  const match = matchTag(source.tag, source.value, devices);
  if (match.kind === "none") return [];
  const found = match.kind === "one"
    ? [match.device]
    : match.kind === "btrfs"
    ? match.members
    : match.devices;
  return found.map(({ path }) => path);
}

async function shownDevices(
  source: SourceSpec | undefined,
  devices: readonly BlockDevice[],
  world: World,
): Promise<ShownDevice[]> {
  const yes = source === undefined ? [] : await meant(source, devices, world);
  const near = source?.kind === "tag" ? findNearMisses(source.tag, source.value, devices) : [];
  return devices.map((device) => {
    const { path, tags } = device;
    if (yes.includes(path)) return { path, tags, match: "yes", why: null };
    const why = near.filter((miss) => miss.device === device).map(({ why }) => why).join("; ");
    return { path, tags, match: why === "" ? "no" : "near", why: why === "" ? null : why };
  });
}

/** Udev makes these links, and a gokrazy has none. */
function tagOfLink(path: string): string | undefined {
  const [, tag, value] = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(path) ?? [];
  return tag === undefined ? undefined : `MNT_SOURCE=${tag.toUpperCase()}=${value}`;
}

/** Why the source means no device that can be mounted now. */
function notFound(mount: MountConfig, why: string, devices: readonly ShownDevice[], world: World) {
  const { source } = mount;
  const near = devices.filter(({ match }) => match === "near").map((device) =>
    warning("near miss", `${device.why}; ${describeDevice(device)}`, "compare it with MNT_SOURCE")
  );
  const there = devices.filter(({ match }) => match === "yes");
  const layer = there.length === 1
    ? unmountable(there[0]!.tags["TYPE"], there[0]!.path)
    : undefined;
  if (layer !== undefined) {
    const text = `${source.text} is ${describeDevice(there[0]!)}: ${layer.because}`;
    return [error("source", text, layer.hint)];
  }
  if (/^blkid knows no file system/.test(why)) return [failure("source", asFailure(why))];
  if (there.length > 0) {
    const names = there.map(describeDevice).join(", ");
    const [state, hint] = splitHint(why);
    const cure = hint ?? "plug in what is missing";
    return [
      missing(
        "source",
        `${source.text} cannot be mounted now: ${state}`,
        `${cure}; it is ${names}`,
      ),
    ];
  }
  const link = source.kind === "path" ? tagOfLink(source.path) : undefined;
  const cure = !world.root
    ? "run this as root: nobody else can read disks"
    : near.length > 0
    ? "set MNT_SOURCE to what the near miss shows, or plug the disk in"
    : link === undefined
    ? "plug the disk in, or set MNT_SOURCE to one of those that blkid sees"
    : `plug the disk in; without udev no such link is made: set ${link}`;
  const said = source.kind === "tag" ? "no device has it" : why;
  return [missing("source", `${source.text} is not there: ${said}`, cure), ...near];
}

function asFailure(message: string): Pick<Failure, "message" | "kind"> {
  return { message, kind: "configuration" };
}

async function inspectSource(
  mount: MountConfig,
  blkid: Blkid,
  devices: readonly ShownDevice[],
  world: World,
  signal: AbortSignal,
): Promise<Pick<DiskReport, "findings" | "found">> {
  const { source } = mount;
  try {
    const look = await lookOnce(mount, blkid, world, signal);
    const found = look.kind === "found" ? look.found : look.soft ?? null;
    if (found === null && look.kind === "waiting") {
      return { findings: notFound(mount, look.why, devices, world), found: null };
    }
    const warnings = found!.warnings.map((text) => warning("source", text));
    if (source.kind === "other") {
      const text = `${source.text} is no device: ${found!.fstype} takes it as it is`;
      return { findings: [note("source", text)], found };
    }
    const paths = [found!.source, ...found!.otherMembers];
    const names = paths.map((path) =>
      describeDevice(
        devices.find((device) => device.path === path) ??
          { path, tags: { TYPE: found!.fstype } },
      )
    );
    return {
      findings: [ok("source", `${source.text} is ${names.join(", ")}`), ...warnings],
      found,
    };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return { findings: [failure("source", cause)], found: null };
  }
}

async function inspectKernel(fstype: string, world: World): Promise<Finding> {
  const { files } = world;
  const release = (await readTextIfAny("/proc/sys/kernel/osrelease", files))?.trim();
  const modprobe = (await readTextIfAny("/proc/sys/kernel/modprobe", files))?.trim() ?? "";
  const support = findSupport(fstype, {
    filesystems: await readTextIfAny("/proc/filesystems", files) ?? "",
    aliases: await readTextIfAny(`/lib/modules/${release}/modules.alias`, files),
    modprobe: modprobe !== "" && await files.stat(modprobe).catch(() => null) !== null,
  });
  switch (support.kind) {
    case "here":
      return ok("file system", `this kernel has ${fstype}`);
    case "module":
      return ok("file system", `this kernel loads ${fstype} as the module ${support.module}`);
    case "unloaded": {
      const text =
        `this kernel has ${fstype} as the module ${support.module}, which is not loaded, ` +
        "and no modprobe to load it";
      return error("file system", text, `load ${support.module} before this program starts`);
    }
    case "none": {
      const has = support.has.length === 0 ? "none that can be read" : support.has.join(", ");
      return error(
        "file system",
        `this kernel has no file system "${fstype}"; it has ${has}`,
        "use a kernel with it, or a disk with another file system; in a container, load its module on the host",
      );
    }
  }
}

/** File systems that the driver of another name mounts, too. */
const KIN: readonly (readonly string[])[] = [
  ["ext2", "ext3", "ext4"],
  ["vfat", "msdos"],
  ["ntfs", "ntfs3"],
];

/** Asks blkid and the kernel; nothing is mounted. */
export async function inspectDisk(
  { mount, blkid: given }: Config,
  world: World,
  signal: AbortSignal,
): Promise<DiskReport> {
  const findings: Finding[] = [];
  let blkid: Blkid = { program: "" };
  let seen: BlockDevice[] = [];
  try {
    blkid = { program: await findBlkid(given, world) };
    findings.push(ok("blkid", `blkid is "${blkid.program}"`));
    seen = await askBlkid(blkid, undefined, world, signal);
  } catch (cause) {
    // Where it ran, and failed or hung, the disks may be at fault, and the next time it can go well.
    const told = cause instanceof Failure
      ? failure("blkid", cause)
      : missing("blkid", messageOf(cause), "see the kernel log, and the health of the disks");
    if (mount !== null && needsBlkid(mount)) {
      return { findings: [...findings, told], devices: [], found: null };
    }
    findings.push(note("blkid", told.text));
  }
  const devices = await shownDevices(mount?.source, seen, world);
  const result = mount === null
    ? { findings: [], found: null }
    : await inspectSource(mount, blkid, devices, world, signal);
  findings.push(...result.findings);
  const others = devices.filter(({ match }) => match === "no");
  if (others.length > 0 && (result.found === null || mount === null)) {
    const more = others.length > MAX_NAMED ? `, and ${others.length - MAX_NAMED} more` : "";
    const names = others.slice(0, MAX_NAMED).map(describeDevice).join(", ");
    findings.push(note("devices", `blkid sees ${names}${more}`));
  } else if (devices.length === 0 && mount?.source.kind !== "other" && blkid.program !== "") {
    findings.push(note("devices", "blkid sees no devices at all"));
  }
  const blkidType = devices.find(({ path }) => path === result.found?.source)?.tags["TYPE"];
  const fstype = result.found?.fstype ?? mount?.fstype ?? undefined;
  if (fstype !== undefined) findings.push(await inspectKernel(fstype, world));
  const fits = blkidType === undefined || fstype === undefined || blkidType === fstype ||
    KIN.some((names) => names.includes(blkidType) && names.includes(fstype));
  if (!fits) {
    const text = `MNT_FSTYPE=${fstype}, but blkid sees ${blkidType} on "${result.found!.source}"`;
    findings.push(error("file system", text, `set MNT_FSTYPE=${blkidType}, or leave it unset`));
  }
  return { findings, devices, found: result.found };
}
