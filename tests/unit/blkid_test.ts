import assert from "node:assert/strict";
import { metaNotation, parseBlkid } from "../../mod/blkid.ts";
import { hasTag, matchTag } from "../../mod/source.ts";
import { fixture } from "./fixture.ts";

const uuid = (number: number) => `${String(number).padStart(8, "0")}-1111-4222-8333-444444444444`;

/** The labels of tests/testdata/make.sh, by the number in the UUID. */
const LABELS: Readonly<Record<number, string>> = {
  1: "plain",
  2: "my disk",
  3: 'say "hi"',
  4: "back\\slash",
  5: "Märchenübung",
  6: 'a" UUID="1234',
  7: "tab\there\nline",
  // blkid leaves out spaces at the end.
  9: " edges",
  10: "/dev/sda1: x",
  11: "twins",
  12: "twins",
  13: "$(id) `id`",
  14: "M-CM-)",
  20: "pair of disks",
  21: 'größer "1"',
  22: "xfs-disk",
  23: "swap",
  34: "part",
  35: "twins",
};

for (const version of ["2.38.1", "2.41.5"]) {
  Deno.test(`parseBlkid() reads every line of util-linux ${version}`, async () => {
    const text = await fixture(`blkid/util-linux-${version}.txt`);
    const devices = parseBlkid(text);
    assert.equal(devices.length, text.trimEnd().split("\n").length);
    for (const { path, tags } of devices) {
      assert.match(path, /^\/dev\/loop\d+(p\d)?$/);
      assert.ok(Object.keys(tags).length > 0, path);
    }
    const types = devices.map(({ tags }) => tags["TYPE"]).filter((type) => type !== undefined);
    assert.deepEqual([...new Set(types)], ["ext4", "btrfs", "xfs", "swap"]);
  });

  Deno.test(`labels of util-linux ${version} are found by what the user wrote`, async () => {
    const devices = parseBlkid(await fixture(`blkid/util-linux-${version}.txt`));
    for (const [number, label] of Object.entries(LABELS)) {
      const device = devices.find(({ tags }) => tags["UUID"] === uuid(Number(number)))!;
      assert.ok(hasTag(device, "LABEL", label), label);
      assert.ok(!hasTag(device, "LABEL", `${label}x`), label);
      assert.ok(!hasTag(device, "LABEL", label.slice(0, -1)), label);
      assert.ok(label.toUpperCase() === label || !hasTag(device, "LABEL", label.toUpperCase()));
    }
    const gpt = devices.find(({ tags }) => tags["UUID"] === uuid(35))!;
    assert.ok(hasTag(gpt, "PARTLABEL", 'Daten "ä" \\ x'));
    assert.equal(gpt.tags["PARTUUID"], uuid(32));
  });

  Deno.test(`parseBlkid() does not take UUID_SUB, PARTUUID or PTUUID for UUID in ${version}`, async () => {
    const devices = parseBlkid(await fixture(`blkid/util-linux-${version}.txt`));
    // The first partition of the GPT has the UUID of "plain" as its own id.
    const match = matchTag("UUID", uuid(1), devices);
    assert.equal(match.kind === "one" && match.device.tags["LABEL"], "plain");
    assert.equal(matchTag("UUID", uuid(30), devices).kind, "none");
    const subs = devices.map(({ tags }) => tags["UUID_SUB"]).filter((sub) => sub !== undefined);
    assert.equal(subs.length, 3);
    for (const sub of subs) assert.equal(matchTag("UUID", sub, devices).kind, "none");
  });
}

Deno.test("parseBlkid() does not take a label for a tag", async () => {
  const devices = parseBlkid(await fixture("blkid/util-linux-2.38.1.txt"));
  assert.equal(matchTag("UUID", "1234", devices).kind, "none");
  assert.equal(devices.some(({ path }) => path === "/dev/sda1"), false);
});

Deno.test("parseBlkid() reads lines of busybox, which has neither UUID_SUB nor PARTUUID", async () => {
  const text = await fixture("blkid/busybox-1.35.0.txt");
  const plain = text.split("\n").filter((line) => /UUID="000000(01|02|20|22|23)-/.test(line));
  const devices = parseBlkid(plain.join("\n"));
  assert.deepEqual(devices.map(({ tags }) => tags["LABEL"]), [
    "plain",
    "my disk",
    "pair of disks",
    "pair of disks",
    "xfs-disk",
    "swap",
  ]);
  assert.equal(devices[0]!.tags["UUID"], uuid(1));
  assert.deepEqual(Object.keys(devices[2]!.tags), ["LABEL", "UUID", "TYPE"]);
});

// busybox escapes nothing: one disk with a quote or a line end in its label must not hide the others.
Deno.test("parseBlkid() finds the other disks where busybox prints an odd label", async () => {
  const devices = parseBlkid(await fixture("blkid/busybox-1.35.0.txt"));
  for (const number of [1, 2, 3, 6, 11, 22]) {
    assert.ok(devices.some(({ tags }) => tags["UUID"] === uuid(number)), String(number));
  }
  const quoted = devices.find(({ tags }) => tags["UUID"] === uuid(3))!;
  assert.equal(quoted.tags["LABEL"], 'say "hi"');
});

Deno.test("parseBlkid() undoes escapes once", () => {
  const cases: [printed: string, value: string][] = [
    ["", ""],
    ['\\"', '"'],
    ["\\\\", "\\"],
    ["\\\\x41", "\\x41"],
    ['\\\\\\"', '\\"'],
    ["\\x41\\x42", "AB"],
    ["\\xc3\\xa9", "é"],
    ["\\xC3\\xA9!", "é!"],
    // Half a character is no reason to fail.
    ["\\xc3", "\ufffd"],
    ["\\x4", "x4"],
    ["a=b, c: d", "a=b, c: d"],
    ["é ü 漢", "é ü 漢"],
  ];
  for (const [printed, value] of cases) {
    const [device] = parseBlkid(`/dev/sda: LABEL="${printed}" TYPE="x"\n`);
    assert.deepEqual({ ...device!.tags }, { LABEL: value, TYPE: "x" }, printed);
  }
});

Deno.test("parseBlkid() reads devices without tags, odd spacing and names with a colon", () => {
  assert.deepEqual(parseBlkid("/dev/sda:\n"), [{ path: "/dev/sda", tags: {} }]);
  assert.deepEqual(parseBlkid('/dev/sda:   A="1"\t B="2"  \n\n \n'), [
    { path: "/dev/sda", tags: { A: "1", B: "2" } },
  ]);
  assert.deepEqual(parseBlkid('/dev/disk/by-path/pci-0:1: UUID="x"'), [
    { path: "/dev/disk/by-path/pci-0:1", tags: { UUID: "x" } },
  ]);
  assert.deepEqual(parseBlkid('/dev/a: b: LABEL="c: D=" E="f"'), [
    { path: "/dev/a: b", tags: { LABEL: "c: D=", E: "f" } },
  ]);
  assert.deepEqual(parseBlkid(""), []);
});

Deno.test("parseBlkid() refuses what is not of that form", async () => {
  assert.deepEqual(parseBlkid(await fixture("blkid/none.txt")), []);
  const bad = [
    await fixture("blkid/bad-export.txt"),
    await fixture("blkid/bad-cut.txt"),
    "blkid: error: /dev/sda: Permission denied",
    '/dev/sda UUID="x"',
    '/dev/sda:UUID="x"',
    ': UUID="x"',
    '/dev/sda: uuid="x"',
    '/dev/sda: __proto__="x"',
    '/dev/sda: UUID="x',
    '/dev/sda: UUID="x\\"',
    "/dev/sda: UUID=x",
    '/dev/sda: UUID="x" y',
  ];
  for (const text of bad) {
    assert.throws(() => parseBlkid(text), {
      name: "SyntaxError",
      message: /^Cannot parse blkid's line: "/,
    }, text);
  }
});

Deno.test("metaNotation() writes a label as blkid does, whatever the locale", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["plain 123", "plain 123"],
    ["é", "M-CM-)"],
    ["ß", "M-CM-^_"],
    ["\t\n\x7f", "^I^J^?"],
    ["Märchenübung", "MM-CM-$rchenM-CM-<bung"],
    ["€", "M-bM-^BM-,"],
    ["\u{1f4be}", "M-pM-^_M-^RM->"],
  ];
  for (const [label, expected] of cases) assert.equal(metaNotation(label), expected);
});
