import assert from "node:assert/strict";
import { parseBlkid } from "../../mod/blkid.ts";
import { parseBtrfsSuper, SUPER_OFFSET, SUPER_SIZE_BYTES } from "../../mod/btrfs.ts";
import { fixture, fixtureBytes } from "./fixture.ts";

const NAMES = ["raid1-member1", "raid1-member2", "single"];

Deno.test("parseBtrfsSuper() says of each member what blkid says", async () => {
  const devices = parseBlkid(await fixture("blkid/util-linux-2.38.1.txt"))
    .filter(({ tags }) => tags["TYPE"] === "btrfs");
  const supers = await Promise.all(
    NAMES.map(async (name) => parseBtrfsSuper(await fixtureBytes(`btrfs/${name}.bin`))),
  );
  assert.deepEqual(
    supers.map(({ fsid, deviceUuid }) => [fsid, deviceUuid]),
    devices.map(({ tags }) => [tags["UUID"], tags["UUID_SUB"]]),
  );
  assert.deepEqual(supers.map(({ numDevices, devid }) => [numDevices, devid]), [[2, 1], [2, 2], [
    1,
    1,
  ]]);
  assert.equal(supers[0]!.generation, supers[1]!.generation);
  assert.ok(supers.every(({ generation }) => generation > 0n && generation < 100n));
});

Deno.test("parseBtrfsSuper() reads a part of a larger buffer", async () => {
  const bytes = await fixtureBytes("btrfs/single.bin");
  const disk = new Uint8Array(SUPER_OFFSET + SUPER_SIZE_BYTES + 100).fill(0xff);
  disk.set(bytes, SUPER_OFFSET);
  assert.deepEqual(parseBtrfsSuper(disk.subarray(SUPER_OFFSET)), parseBtrfsSuper(bytes));
});

/** The single member with some bytes changed. */
async function changed(offset: number, ...values: number[]): Promise<Uint8Array> {
  const bytes = await fixtureBytes("btrfs/single.bin");
  bytes.set(values, offset);
  return bytes;
}

Deno.test("parseBtrfsSuper() refuses other file systems, short reads and garbage", async () => {
  const single = await fixtureBytes("btrfs/single.bin");
  const cases: [Uint8Array, RegExp][] = [
    [await fixtureBytes("btrfs/bad-ext4.bin"), /no magic "_BHRfS_M" at offset 64/],
    [new Uint8Array(SUPER_SIZE_BYTES), /no magic/],
    [new Uint8Array(0), /: 0 bytes, not 4096/],
    [single.subarray(0, 4095), /: 4095 bytes, not 4096/],
    // A super block that mkfs began and did not finish has another magic.
    [await changed(64, 0x21), /no magic/],
    [await changed(136, 0), /: 0 devices/],
    [await changed(136, 0, 0, 1), /: 65536 devices/],
    [await changed(136, 0, 0, 0, 0, 0, 0, 0, 0xff), /devices, devid 1/],
    [await changed(201, 0, 0, 0, 0, 1), /devid 4294967296/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => parseBtrfsSuper(bytes), { name: "SyntaxError", message });
  }
});

Deno.test("parseBtrfsSuper() reads a generation beyond what a double holds", async () => {
  const bytes = await changed(72, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  assert.equal(parseBtrfsSuper(bytes).generation, 2n ** 64n - 1n);
});

Deno.test("parseBtrfsSuper() counts up to the most devices that a btrfs can have", async () => {
  const bytes = await changed(136, 0xff, 0xff);
  assert.equal(parseBtrfsSuper(bytes).numDevices, 0xffff);
});
