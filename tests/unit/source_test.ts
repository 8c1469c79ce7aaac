import assert from "node:assert/strict";
import type { BlockDevice } from "../../mod/blkid.ts";
import {
  btrfsMembers,
  findNearMisses,
  hasTag,
  judgeCandidates,
  matchTag,
  parseSource,
  type SourceSpec,
  type Tag,
  TAGS,
} from "../../mod/source.ts";

const device = (path: string, tags: Record<string, string>): BlockDevice => ({ path, tags });
const tag = (name: Tag, value: string): SourceSpec => ({
  kind: "tag",
  tag: name,
  value,
  text: `${name}=${value}`,
});

Deno.test("parseSource() takes tags, paths and sources that are no devices", () => {
  const cases: [string, SourceSpec][] = [
    ["UUID=5e1c-4a", tag("UUID", "5e1c-4a")],
    ['UUID="5e1c-4a"', tag("UUID", "5e1c-4a")],
    ['"UUID=5e1c-4a"', tag("UUID", "5e1c-4a")],
    [" UUID=5e1c-4a\n", tag("UUID", "5e1c-4a")],
    ['LABEL="my disk"', tag("LABEL", "my disk")],
    ["LABEL=my disk", tag("LABEL", "my disk")],
    ['LABEL=say "hi"', tag("LABEL", 'say "hi"')],
    ['LABEL="say "hi""', tag("LABEL", 'say "hi"')],
    ["LABEL=a=b", tag("LABEL", "a=b")],
    ["LABEL=line\nend", tag("LABEL", "line\nend")],
    ["LABEL=/dev/sda1", tag("LABEL", "/dev/sda1")],
    ["LABEL=UUID=x", tag("LABEL", "UUID=x")],
    ["PARTUUID=0a0b0c0d-01", tag("PARTUUID", "0a0b0c0d-01")],
    ["PARTLABEL=größer", tag("PARTLABEL", "größer")],
    ["/dev/sda1", { kind: "path", path: "/dev/sda1", text: "/dev/sda1" }],
    ["/dev/sda1//", { kind: "path", path: "/dev/sda1", text: "/dev/sda1" }],
    ["/", { kind: "path", path: "/", text: "/" }],
    ['"/dev/disk/by-label/a b"', {
      kind: "path",
      path: "/dev/disk/by-label/a b",
      text: "/dev/disk/by-label/a b",
    }],
    ["/dev/a=b", { kind: "path", path: "/dev/a=b", text: "/dev/a=b" }],
    ["server:/export", { kind: "other", text: "server:/export" }],
    ["[fe80::1]:/export", { kind: "other", text: "[fe80::1]:/export" }],
    ["//server/share", { kind: "other", text: "//server/share" }],
    ["tmpfs", { kind: "other", text: "tmpfs" }],
    ["//nas/backup", { kind: "other", text: "//nas/backup" }],
    ["UUID", { kind: "other", text: "UUID" }],
    ["__proto__", { kind: "other", text: "__proto__" }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseSource(text), expected, text);
});

Deno.test("parseSource() refuses unknown and empty tags and relative paths", () => {
  const cases: [string, RegExp][] = [
    ["", /^it is empty$/],
    ["  ", /^it is empty$/],
    ['""', /^it is empty$/],
    ["UUID=", /^UUID= has no value$/],
    ['UUID=""', /^UUID= has no value$/],
    ['"LABEL="', /^LABEL= has no value$/],
    ["uuid=x", /^unknown tag "uuid", known are UUID, LABEL, PARTUUID, PARTLABEL$/],
    ["UUID_SUB=x", /^unknown tag "UUID_SUB"/],
    ["TYPE=ext4", /^unknown tag "TYPE"/],
    ["__proto__=x", /^unknown tag "__proto__"/],
    ["constructor=x", /^unknown tag "constructor"/],
    ["dev/sda1", /^a path must be absolute$/],
    ["./sda1", /^a path must be absolute$/],
    ["../sda1", /^a path must be absolute$/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseSource(text), { name: "RangeError", message }, text);
  }
});

Deno.test("hasTag() compares the whole value, ids without case, labels with it", () => {
  const disk = device("/dev/sda1", {
    UUID: "5E1C-4a",
    LABEL: "Disk",
    PARTUUID: "AB-01",
    PARTLABEL: "Part",
  });
  const cases: [Tag, string, boolean][] = [
    ["UUID", "5e1c-4A", true],
    ["UUID", "5e1c-4", false],
    ["UUID", "5e1c-4ab", false],
    ["UUID", "AB-01", false],
    ["UUID", "", false],
    ["PARTUUID", "ab-01", true],
    ["LABEL", "Disk", true],
    ["LABEL", "disk", false],
    ["LABEL", "Disk ", false],
    ["PARTLABEL", "Part", true],
    ["PARTLABEL", "part", false],
  ];
  for (const [name, value, expected] of cases) {
    assert.equal(hasTag(disk, name, value), expected, `${name}=${value}`);
  }
  for (const name of TAGS) assert.equal(hasTag(device("/dev/sdb", {}), name, ""), false);
});

const EXT4 = device("/dev/sda1", { UUID: "a", LABEL: "one", TYPE: "ext4" });
const TWIN = device("/dev/sdb1", { UUID: "b", LABEL: "one", TYPE: "ext4" });
const M1 = device("/dev/sdc", { UUID: "F", UUID_SUB: "1", LABEL: "pair", TYPE: "btrfs" });
const M2 = device("/dev/sdd", {
  UUID: "f",
  UUID_SUB: "2",
  LABEL: "pair",
  TYPE: "btrfs",
  PARTUUID: "p",
});
const CLONE = device("/dev/sde", { UUID: "f", UUID_SUB: "2", LABEL: "pair", TYPE: "btrfs" });

Deno.test("matchTag() finds none, one, a whole btrfs, or an ambiguity that names all", () => {
  assert.deepEqual(matchTag("UUID", "x", [EXT4, TWIN]), { kind: "none" });
  assert.deepEqual(matchTag("UUID", "x", []), { kind: "none" });
  assert.deepEqual(matchTag("UUID", "B", [EXT4, TWIN]), { kind: "one", device: TWIN });
  assert.deepEqual(matchTag("LABEL", "one", [EXT4, TWIN, M1]), {
    kind: "ambiguous",
    devices: [EXT4, TWIN],
    why: "several devices carry it",
  });
  const both = { kind: "btrfs", fsid: "F", members: [M1, M2] };
  assert.deepEqual(matchTag("UUID", "f", [M1, EXT4, M2]), both);
  assert.deepEqual(matchTag("LABEL", "pair", [M1, EXT4, M2]), both);
  // One member is named, all are meant.
  assert.deepEqual(matchTag("PARTUUID", "p", [M1, M2]), { ...both, fsid: "f" });
  assert.deepEqual(matchTag("UUID", "f", [M1]), { kind: "btrfs", fsid: "F", members: [M1] });
});

Deno.test("matchTag() does not choose between two copies of one btrfs member", () => {
  assert.deepEqual(matchTag("UUID", "f", [M1, M2, CLONE]), {
    kind: "ambiguous",
    devices: [M2, CLONE],
    why: "they are copies of one btrfs member",
  });
});

Deno.test("matchTag() does not mix a btrfs with another disk of the same label", () => {
  const other = device("/dev/sdf", { UUID: "g", LABEL: "pair", TYPE: "ext4" });
  const second = device("/dev/sdg", { UUID: "h", UUID_SUB: "9", LABEL: "pair", TYPE: "btrfs" });
  for (const devices of [[M1, M2, other], [other, M1, M2], [M1, M2, second]]) {
    const match = matchTag("LABEL", "pair", devices);
    assert.equal(match.kind === "ambiguous" && match.devices.length, 3);
  }
});

// Without UUID_SUB nothing tells members from copies here; their super blocks do, later.
Deno.test("matchTag() takes members without UUID_SUB, as busybox prints them, for one btrfs", () => {
  const members = ["/dev/sda", "/dev/sdb"].map((path) =>
    device(path, { UUID: "f", LABEL: "pair", TYPE: "btrfs" })
  );
  assert.deepEqual(matchTag("UUID", "f", members), { kind: "btrfs", fsid: "f", members });
});

Deno.test("judgeCandidates() takes a btrfs without UUID for one device", () => {
  const bare = device("/dev/sda", { TYPE: "btrfs" });
  assert.deepEqual(judgeCandidates([bare], [bare]), { kind: "one", device: bare });
  assert.deepEqual(judgeCandidates([], [bare]), { kind: "none" });
});

Deno.test("btrfsMembers() takes only btrfs of that very UUID", () => {
  const decoys = [
    device("/dev/1", { UUID: "f", TYPE: "ext4" }),
    device("/dev/2", { UUID: "x", UUID_SUB: "f", TYPE: "btrfs" }),
    device("/dev/3", { PARTUUID: "f", TYPE: "btrfs" }),
    device("/dev/4", {}),
  ];
  assert.deepEqual(btrfsMembers("F", [...decoys, M1, M2]), [M1, M2]);
});

/** Why the devices nearly carry a tag. */
function whyNot(tag: Tag, value: string, devices: BlockDevice[]): string[] {
  return findNearMisses(tag, value, devices).map(({ why }) => why);
}

Deno.test("findNearMisses() names the tags that carry the value, but not the one that was asked", () => {
  const disk = device("/dev/sda1", { UUID: "A", PARTUUID: "b", UUID_SUB: "B", TYPE: "b" });
  assert.deepEqual(whyNot("UUID", "B", [disk, EXT4]), [
    'it is the PARTUUID of "/dev/sda1"',
    'it is the UUID_SUB of "/dev/sda1"',
  ]);
  assert.deepEqual(whyNot("UUID", "a", [disk]), []);
});

Deno.test("findNearMisses() sees capitals, spaces and dashes, and a UUID that was cut short", () => {
  const cases: [Tag, string, string, string | undefined][] = [
    ["LABEL", "restic", "Restic", "with other capitals"],
    ["LABEL", "my disk", "my  disk ", "with other spaces or dashes"],
    ["LABEL", "my-disk", "My_Disk", "with other spaces or dashes"],
    ["LABEL", "rest", "restic", undefined],
    ["LABEL", " ", "-", undefined],
    ["PARTLABEL", "a", "b", undefined],
    ["UUID", "0a1b2c3d", "0A1B-2C3D", "with other spaces or dashes"],
    ["UUID", "0a1b", "0A1B-2C3D", "in full"],
    ["UUID", "0a1", "0A1B-2C3D", undefined],
    ["PARTUUID", "0a1b2c3d", "0a1b2c3d-01", "in full"],
  ];
  for (const [tag, value, actual, how] of cases) {
    const said = how === undefined ? [] : [`"/dev/x" has ${tag}=${actual}, ${how}`];
    assert.deepEqual(whyNot(tag, value, [device("/dev/x", { [tag]: actual })]), said, value);
  }
});
