/** blkid's text, sources and super blocks: any label, any bytes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type BlockDevice, metaNotation, parseBlkid } from "../../mod/blkid.ts";
import { parseBtrfsSuper, SUPER_SIZE_BYTES } from "../../mod/btrfs.ts";
import { findNearMisses, hasTag, matchTag, parseSource, TAGS } from "../../mod/source.ts";
import { RUNS, tolerate } from "./fixture.ts";

const escape = (value: string) => value.replace(/["\\]/g, "\\$&");
const render = ({ path, tags }: BlockDevice) =>
  `${path}:${
    Object.entries(tags).map(([name, value]) => ` ${name}="${escape(value)}"`).join("")
  }\n`;

const label = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 16 }),
  // What looks like blkid's own syntax.
  fc.string({
    unit: fc.constantFrom('"', "\\", " ", ":", "=", "UUID=", 'TYPE="x"', "\n", "é", "M-C", "x41"),
    minLength: 1,
    maxLength: 8,
  }),
);
const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,10}$/);
const path = fc.stringMatching(/^\/dev\/[a-z0-9:._-]{0,11}[a-z0-9]$/);

Deno.test("what blkid would print is read back as it was", () => {
  const value = label.map((text) => text.replaceAll("\n", ""));
  const tags = fc.dictionary(name, value, { noNullPrototype: true });
  const device = fc.record({ path, tags }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(device, { maxLength: 4 }), (devices) => {
      assert.deepEqual(parseBlkid(devices.map(render).join("")), devices);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("each label is found by itself and by no other one", () => {
  fc.assert(
    fc.property(label, label, (mine, other) => {
      const [device] = parseBlkid(
        render({ path: "/dev/sda", tags: { LABEL: metaNotation(mine), UUID: "u" } }),
      );
      assert.ok(hasTag(device!, "LABEL", mine));
      // "é" and the text "M-CM-)" cannot be told apart: blkid prints both alike.
      const alike = metaNotation(mine) === metaNotation(other) || metaNotation(mine) === other;
      assert.equal(hasTag(device!, "LABEL", other), alike);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseBlkid() throws nothing but its SyntaxError", () => {
  const device = fc.record({ path, tags: fc.dictionary(name, label, { noNullPrototype: true }) });
  const broken = fc.tuple(device.map(render), fc.nat(80), fc.nat(4), fc.string({ maxLength: 4 }))
    .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), broken), (text) => {
      for (const { tags } of tolerate(SyntaxError, () => parseBlkid(text)) ?? []) {
        for (const tag of Object.keys(tags)) assert.match(tag, /^[A-Z][A-Z0-9_]*$/);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("a tag is read back as it was, with and without quotes", () => {
  fc.assert(
    fc.property(fc.constantFrom(...TAGS), label, (tag, value) => {
      const expected = { kind: "tag" as const, tag, value, text: `${tag}=${value}` };
      assert.deepEqual(parseSource(`${tag}="${value}"`), expected);
      const plain = value.trimEnd() === value && !/^".*"$/s.test(value);
      if (plain) assert.deepEqual(parseSource(`${tag}=${value}`), expected);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseSource() throws nothing but its RangeError, and never means nothing", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(fc.constantFrom(...TAGS, "ID", "__proto__", "a/b", ""), label)
      .map(([tag, value]) => `${tag}=${value}`),
  );
  fc.assert(
    fc.property(text, (source) => {
      const spec = tolerate(RangeError, () => parseSource(source));
      if (spec === undefined) return;
      assert.notEqual(spec.text, "");
      if (spec.kind === "path") assert.equal(spec.path[0], "/");
      if (spec.kind === "tag") assert.notEqual(spec.value, "");
    }),
    { numRuns: RUNS },
  );
});

Deno.test("P1: matchTag() names devices that carry the tag, and one only where it is the only one", () => {
  const id = fc.constantFrom("a", "A", "b", "c");
  const tags = fc.record({
    UUID: id,
    LABEL: id,
    PARTUUID: id,
    UUID_SUB: fc.constantFrom("a", "b", "s1", "s2"),
    TYPE: fc.constantFrom("ext4", "btrfs", "swap"),
  }, { requiredKeys: [] });
  fc.assert(
    fc.property(
      fc.array(tags, { maxLength: 5 }),
      fc.constantFrom("UUID" as const, "LABEL" as const, "PARTUUID" as const),
      id,
      (list, tag, value) => {
        const devices: BlockDevice[] = list.map((tags, i) => ({
          path: `/dev/sd${i}`,
          tags: tags as BlockDevice["tags"],
        }));
        const carriers = devices.filter((device) => hasTag(device, tag, value));
        const match = matchTag(tag, value, devices);
        assert.equal(match.kind === "none", carriers.length === 0);
        if (match.kind === "one") assert.deepEqual([match.device], carriers);
        if (match.kind === "btrfs") {
          assert.ok(carriers.every((device) => match.members.includes(device)));
          const ids = match.members.map(({ tags }) => tags["UUID"]!.toLowerCase());
          assert.deepEqual(new Set(ids), new Set([match.fsid.toLowerCase()]));
          const subs = match.members.flatMap(({ tags }) => tags["UUID_SUB"] ?? []);
          assert.equal(new Set(subs).size, subs.length);
        }
        if (match.kind === "ambiguous") assert.ok(match.devices.length >= 2);
        for (const { device, why } of findNearMisses(tag, value, devices)) {
          assert.match(why, /^it is the \w+ of "|^"[^]*" has \w+=/);
          assert.ok(!hasTag(device, tag, value) || why.startsWith("it is"));
        }
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("parseBtrfsSuper() throws nothing but its SyntaxError, and reads what was put in", () => {
  const magic = new TextEncoder().encode("_BHRfS_M");
  const uint8 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const hex = (bytes: Uint8Array) => bytes.toHex();
  fc.assert(
    fc.property(uint8, uint8, fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(), fc.nat(), (...fields) => {
      const [fsid, deviceUuid, generation, numDevices, devid] = fields;
      const bytes = new Uint8Array(SUPER_SIZE_BYTES);
      const view = new DataView(bytes.buffer);
      bytes.set(fsid, 32);
      bytes.set(magic, 64);
      view.setBigUint64(72, generation, true);
      view.setBigUint64(136, BigInt(numDevices), true);
      view.setBigUint64(201, BigInt(devid), true);
      bytes.set(deviceUuid, 267);
      const found = tolerate(SyntaxError, () => parseBtrfsSuper(bytes));
      assert.equal(found === undefined, numDevices < 1 || numDevices > 0xffff);
      if (found === undefined) return;
      assert.equal(found.fsid.replaceAll("-", ""), hex(fsid));
      assert.equal(found.deviceUuid.replaceAll("-", ""), hex(deviceUuid));
      assert.match(found.fsid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.equal(found.generation, generation);
      assert.deepEqual([found.numDevices, found.devid], [numDevices, devid]);
    }),
    { numRuns: RUNS },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      bytes.set(magic.subarray(0, Math.max(0, bytes.length - 64)), Math.min(64, bytes.length));
      tolerate(SyntaxError, () => parseBtrfsSuper(bytes));
    }),
    { numRuns: RUNS / 10 },
  );
});
