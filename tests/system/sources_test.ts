/** Every way to name a disk, with and without double quotes. */
import assert from "node:assert/strict";
import { loopDisk, randomLabel } from "../support/disk.ts";
import { mountsOn, type Place, place, systemTest } from "../support/system.ts";

/** Serves on each source in turn, from the very device. */
async function servesFrom(where: Place, sources: readonly string[], device: string): Promise<void> {
  const { rdev } = await Deno.stat(device);
  for (const source of sources) {
    await using wrapper = where.serve({ source });
    await wrapper.listening();
    assert.deepEqual(
      mountsOn(where.target).map(({ majorMinor }) => majorMinor),
      [`${rdev! >> 8 & 0xfff}:${rdev! & 0xff}`],
      source,
    );
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  }
}

const bareAndQuoted = (tag: string, value: string) => [`${tag}=${value}`, `${tag}="${value}"`];

await systemTest([], "UUID= and LABEL=, bare and quoted; a UUID in any case", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await servesFrom(where, [
    ...bareAndQuoted("UUID", disk.uuid),
    ...bareAndQuoted("LABEL", disk.label),
    `UUID=${disk.uuid.toUpperCase()}`,
  ], disk.path);
});

await systemTest(
  ["program:partx"],
  "PARTUUID= and PARTLABEL=, bare and quoted, and the partition's path",
  async () => {
    const partition = { uuid: crypto.randomUUID(), label: `${randomLabel()} of backup` };
    await using disk = await loopDisk({ fstype: "ext4", partition });
    await using where = await place();
    await servesFrom(where, [
      ...bareAndQuoted("PARTUUID", partition.uuid),
      ...bareAndQuoted("PARTLABEL", partition.label),
      disk.path,
      `"${disk.path}"`,
      `PARTUUID=${partition.uuid.toUpperCase()}`,
    ], disk.path);
  },
);

const LABELS = {
  // None at its end: blkid, and with it mount(8), cuts those off.
  spaces: " a  b",
  "double quotes": 'say "x"',
  backslashes: "back\\slash",
  umlauts: "Größe",
  "an equals sign": "UUID=x",
  "a comma": "a,b",
  "characters of a shell": "$(x);'*",
};

for (const [what, text] of Object.entries(LABELS)) {
  await systemTest([], `a label with ${what}`, async () => {
    // Ahead of it, for the 16 bytes of ext4: what makes it this test's own.
    const label = `${crypto.randomUUID().slice(0, 4)}${text}`;
    await using disk = await loopDisk({ fstype: "ext4", label });
    await using where = await place();
    await servesFrom(where, bareAndQuoted("LABEL", label), disk.path);
  });
}

await systemTest(["program:mkfs.btrfs"], "a symlink to the disk, as udev makes them", async () => {
  await using ext4 = await loopDisk({ fstype: "ext4" });
  await using btrfs = await loopDisk({ fstype: "btrfs" });
  await using where = await place();
  for (const { path, label } of [ext4, btrfs]) {
    const link = `${where.directory}/by-label-${label}`;
    await Deno.symlink(path, link);
    await using wrapper = where.serve({ source: link });
    await wrapper.listening();
    assert.equal(mountsOn(where.target).length, 1);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  }
});
