/**
 * The devices that blkid sees, beside what `MNT_SOURCE` says: which it means, and which look like it.
 *
 * @module
 */
import type { BlockDevice } from "./blkid.ts";
import type { MountConfig } from "./config.ts";
import { type Finding, findingsOf, type ShownDevice, splitHint } from "./findings.ts";
import { quote } from "./origins.ts";
import { findNearMisses, matchTag, type SourceSpec, TAGS } from "./source.ts";
import type { World } from "./world.ts";

const { note, warning, error, missing } = findingsOf("disk");

/** At most so many devices are listed: a log can be short. */
const MAX_LISTED = 16;

/** `"/dev/sdb1" (ext4, LABEL=restic, UUID=5e1c)`: what a source can name it by. */
export function describeDevice({ path, tags }: Pick<BlockDevice, "path" | "tags">): string {
  const words = ["LABEL", "UUID", "PARTLABEL", "PARTUUID"]
    .flatMap((name) => tags[name] === undefined ? [] : [`${name}=${tags[name]}`]);
  return `"${path}" (${[tags["TYPE"] ?? "no file system", ...words].join(", ")})`;
}

/** Paths of the devices that the source means. */
async function meant(
  source: SourceSpec | undefined,
  devices: readonly BlockDevice[],
  world: World,
): Promise<readonly string[]> {
  if (source?.kind === "path") {
    const real = await world.files.realPath(source.path).catch(() => source.path);
    return [source.path, real];
  }
  if (source?.kind !== "tag") return [];
  const match = matchTag(source.tag, source.value, devices);
  switch (match.kind) {
    case "none":
      return [];
    case "one":
      return [match.device.path];
    case "btrfs":
      return match.members.map(({ path }) => path);
    case "ambiguous":
      return match.devices.map(({ path }) => path);
  }
}

/** Every device, with why the source means it not, though it looks like it. */
export async function shownDevices(
  source: SourceSpec | undefined,
  devices: readonly BlockDevice[],
  world: World,
): Promise<ShownDevice[]> {
  const yes = await meant(source, devices, world);
  const near = source?.kind === "tag" ? findNearMisses(source.tag, source.value, devices) : [];
  return devices.map((device) => {
    const { path, tags } = device;
    if (yes.includes(path)) return { path, tags, match: "yes", why: null };
    const why = near.filter((miss) => miss.device === device).map(({ why }) => why).join("; ");
    return { path, tags, match: why === "" ? "no" : "near", why: why === "" ? null : why };
  });
}

/** The devices that a source can be set to. */
export function listDevices(devices: readonly ShownDevice[]): Finding[] {
  const others = devices.filter(({ match }) => match === "no");
  const listed = others.slice(0, MAX_LISTED)
    .map((device) => note("device", `blkid sees ${describeDevice(device)}`));
  const more = others.length - listed.length;
  return [...listed, ...more > 0 ? [note("device", `and ${more} more`)] : []];
}

/** Udev makes these links, and a gokrazy has none. */
function tagOfLink(path: string): string | undefined {
  const [, tag, value] = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(path) ?? [];
  return tag === undefined ? undefined : `MNT_SOURCE=${tag.toUpperCase()}=${value}`;
}

/** A source that is there, and cannot be mounted as it is: of several disks, or half of a btrfs, or blank. */
function unready({ source }: MountConfig, why: string, there: readonly ShownDevice[]): Finding {
  const [state, hint] = splitHint(why);
  const names = there.map(describeDevice).join(", ");
  // What a person has to do at the disk itself is no wait for it.
  if (state.startsWith("blkid knows no file system")) return error("source", state, hint);
  const text = `${source.text} cannot be mounted now: ${state}`;
  return missing("source", text, `${hint ?? "plug in what is missing"}; blkid sees ${names}`);
}

/** What names a device, by the tag that was used where it has one. */
function nameOf({ path, tags }: ShownDevice, source: SourceSpec): string {
  const asked = source.kind === "tag" ? [source.tag] : [];
  const tag = [...asked, ...TAGS].find((tag) => tags[tag] !== undefined);
  return quote(`MNT_SOURCE=${tag === undefined ? path : `${tag}=${tags[tag]}`}`);
}

/** Why the source means no device that can be mounted now. */
export function explainAbsence(
  mount: MountConfig,
  why: string,
  devices: readonly ShownDevice[],
  root: boolean,
): Finding[] {
  const { source } = mount;
  const there = devices.filter(({ match }) => match === "yes");
  if (there.length > 0 || /^blkid knows/.test(why)) return [unready(mount, why, there)];
  const near = devices.filter(({ match }) => match === "near").map((device) =>
    warning("near miss", device.why!, `set ${nameOf(device, source)} where that is the disk meant`)
  );
  const link = source.kind === "path" ? tagOfLink(source.path) : undefined;
  const cures = [
    ...root ? [] : ["run this as root, for nobody else can read disks"],
    "plug the disk in",
    ...near.length > 0 ? ["or see the near miss"] : [],
    ...link === undefined ? [] : [`or set ${link}: without udev no such link is made`],
  ];
  const said = source.kind === "tag" ? "no device has it" : why;
  return [missing("source", `${source.text} is not there: ${said}`, cures.join(", ")), ...near];
}
