/**
 * What `MNT_SOURCE` says, and which block devices it means.
 *
 * @module
 */
import { type BlockDevice, metaNotation } from "./blkid.ts";

/** The tags of mount(8) that name a device. */
export const TAGS = ["UUID", "LABEL", "PARTUUID", "PARTLABEL"] as const;
export type Tag = typeof TAGS[number];

/** A parsed `MNT_SOURCE`; `text` is how messages call it. */
export type SourceSpec =
  | { readonly kind: "tag"; readonly tag: Tag; readonly value: string; readonly text: string }
  | { readonly kind: "path"; readonly path: string; readonly text: string }
  | { readonly kind: "other"; readonly text: string };

function unquote(text: string): string {
  return /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}

/**
 * Parses a source as mount(8) takes it: `UUID=5e1c...`, `LABEL="my disk"`, `/dev/sda1`, or what is no
 * device at all: `server:/export`, `tmpfs`.
 *
 * @throws {RangeError} for an unknown or empty tag, and for a relative path.
 */
export function parseSource(text: string): SourceSpec {
  const source = unquote(text.trim());
  const [, name, rest] = /^([A-Za-z_]+)=(.*)$/s.exec(source) ?? [];
  if (name !== undefined && rest !== undefined) {
    const tag = TAGS.find((known) => known === name);
    if (tag === undefined) {
      throw new RangeError(`unknown tag "${name}", known are ${TAGS.join(", ")}`);
    }
    const value = unquote(rest);
    if (value === "") throw new RangeError(`${tag}= has no value`);
    return { kind: "tag", tag, value, text: `${tag}=${value}` };
  }
  // Two slashes begin the name of a CIFS share.
  if (/^\/(?!\/)/.test(source)) {
    // A slash at the end asks for a directory, which no device is: it would be waited for without end.
    const path = source.replace(/(?<=.)\/+$/, "");
    return { kind: "path", path, text: path };
  }
  if (source === "" || source.includes("\0")) throw new RangeError("it is empty");
  if (/^\.{1,2}\//.test(source) || source.startsWith("dev/")) {
    throw new RangeError("a path must be absolute");
  }
  return { kind: "other", text: source };
}

/** Whether one device carries the tag; the whole value, never a part. */
export function hasTag(device: BlockDevice, tag: Tag, value: string): boolean {
  const actual = device.tags[tag];
  if (actual === undefined) return false;
  if (tag === "UUID" || tag === "PARTUUID") return actual.toLowerCase() === value.toLowerCase();
  return actual === value || actual === metaNotation(value);
}

/** What a tag means among the devices of this moment. */
export type Match =
  | { readonly kind: "none" }
  | { readonly kind: "one"; readonly device: BlockDevice }
  /** Members of one btrfs, one path a member. */
  | { readonly kind: "btrfs"; readonly fsid: string; readonly members: readonly BlockDevice[] }
  | { readonly kind: "ambiguous"; readonly devices: readonly BlockDevice[]; readonly why: string };

/** All devices that belong to the btrfs with this UUID. */
export function btrfsMembers(fsid: string, devices: readonly BlockDevice[]): BlockDevice[] {
  return devices.filter((device) =>
    device.tags["TYPE"] === "btrfs" && device.tags["UUID"]?.toLowerCase() === fsid.toLowerCase()
  );
}

/** Judges the candidates that a source names: one device, one btrfs, or an ambiguity. */
export function judgeCandidates(
  candidates: readonly BlockDevice[],
  devices: readonly BlockDevice[],
): Match {
  const [first] = candidates;
  if (first === undefined) return { kind: "none" };
  const fsid = first.tags["UUID"];
  const oneBtrfs = fsid !== undefined && first.tags["TYPE"] === "btrfs" &&
    candidates.every((device) => btrfsMembers(fsid, [device]).length === 1);
  if (!oneBtrfs) {
    return candidates.length === 1
      ? { kind: "one", device: first }
      : { kind: "ambiguous", devices: candidates, why: "several devices carry it" };
  }
  const members = btrfsMembers(fsid, devices);
  const twins = members.filter((a) =>
    members.some((b) =>
      a !== b && a.tags["UUID_SUB"] !== undefined && a.tags["UUID_SUB"] === b.tags["UUID_SUB"]
    )
  );
  return twins.length > 0
    ? { kind: "ambiguous", devices: twins, why: "they are copies of one btrfs member" }
    : { kind: "btrfs", fsid, members };
}

/** Which of the devices a tag means. */
export function matchTag(tag: Tag, value: string, devices: readonly BlockDevice[]): Match {
  return judgeCandidates(devices.filter((device) => hasTag(device, tag, value)), devices);
}

/** A device that the source does not mean, though it looks like it. */
export interface NearMiss {
  readonly device: BlockDevice;
  /** Why not, to follow "no such device". */
  readonly why: string;
}

/** How a value differs from one that was asked for; `undefined` where it is another one altogether. */
function difference(tag: Tag, wanted: string, actual: string): string | undefined {
  const [a, b] = [wanted.toLowerCase(), actual.toLowerCase()];
  const bare = (text: string) => text.replace(/[\s_-]/g, "");
  if (a === b) return "with other capitals";
  if (bare(a) === "") return undefined;
  if (bare(a) === bare(b)) return "with other spaces or dashes";
  const cut = tag.endsWith("UUID") && bare(a).length >= 4 && bare(b).startsWith(bare(a));
  return cut ? "in full" : undefined;
}

/**
 * Devices that carry the value under another tag, or nearly this value under this one: why `UUID=x` does not
 * match although `x` can be read on a disk.
 */
export function findNearMisses(
  tag: Tag,
  value: string,
  devices: readonly BlockDevice[],
): NearMiss[] {
  const wanted = value.toLowerCase();
  return devices.flatMap((device) =>
    Object.entries(device.tags).flatMap(([name, actual]) => {
      if (name === tag) {
        const how = hasTag(device, tag, value) ? undefined : difference(tag, value, actual);
        const why = `"${device.path}" has ${tag}=${actual}, ${how}`;
        return how === undefined ? [] : [{ device, why }];
      }
      if (name === "TYPE" || actual.toLowerCase() !== wanted) return [];
      return [{ device, why: `it is the ${name} of "${device.path}"` }];
    })
  );
}

/** Everything that mount(2) is given. */
export interface MountSpec {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
  /** MS_* bits. */
  readonly flags: number;
  readonly data: string;
}

/** `"/dev/sda1" on "/perm/backup" as ext4`: what every message about a mount names. */
export function describeMount({ source, target, fstype }: MountSpec): string {
  return `"${source}" on "${target}" as ${fstype}`;
}
