/** P7: a disk that is not there yet is waited for, in words, and served once it is. */
import assert from "node:assert/strict";
import { btrfsPair, Disk, loopDisk } from "../support/disk.ts";
import { mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import type { Wrapper } from "../support/wrapper.ts";

async function servesAndStops(wrapper: Wrapper, target: string): Promise<void> {
  await wrapper.listening();
  assert.equal(mountsOn(target).length, 1);
  await stopCleanly(wrapper, target);
}

for (const tag of ["UUID", "LABEL"] as const) {
  await systemTest(
    [],
    `a disk that is plugged in after the start is served, by ${tag}=`,
    async () => {
      await using disk = await Disk.make({ fstype: "ext4" });
      await using where = await place();
      const source = `${tag}=${tag === "UUID" ? disk.uuid : disk.label}`;
      await using wrapper = where.serve({ source });
      await wrapper.errLine(new RegExp(`waiting for ${source}: no such device; blkid sees`));
      assert.deepEqual(mountsOn(where.target), []);
      await disk.attach();
      await servesAndStops(wrapper, where.target);
    },
  );
}

await systemTest([], "a path that is made after the start is served", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const source = `${where.directory}/by-id`;
  await using wrapper = where.serve({ source });
  await wrapper.errLine(/waiting for \/.*\/by-id: no such device/);
  await Deno.symlink(disk.path, source);
  await servesAndStops(wrapper, where.target);
});

await systemTest(
  ["program:partx"],
  "a partition that is plugged in after the start is served",
  async () => {
    const partition = { uuid: crypto.randomUUID(), label: "late" };
    await using disk = await Disk.make({ fstype: "ext4", partition });
    await using where = await place();
    await using wrapper = where.serve({ source: `PARTUUID=${partition.uuid}` });
    await wrapper.errLine(new RegExp(`waiting for PARTUUID=${partition.uuid}: no such device`));
    await disk.attach();
    await servesAndStops(wrapper, where.target);
  },
);

for (const late of [0, 1]) {
  await systemTest(
    ["program:mkfs.btrfs"],
    `a btrfs is not served before member ${late + 1} of 2, which comes late, is there`,
    async () => {
      await using pair = await btrfsPair();
      const { members } = pair;
      await using where = await place();
      const early = members[1 - late]!;
      await early.attach();
      await using wrapper = where.serve({ source: `UUID=${early.uuid}` });
      await wrapper.errLine(new RegExp(`btrfs ${early.uuid}: 1 of 2 members \\(${early.path}\\)`));
      assert.deepEqual(mountsOn(where.target), []);
      await members[late]!.attach();
      await servesAndStops(wrapper, where.target);
    },
  );
}

await systemTest(
  [],
  "a blank disk that gets its file system after the start is served",
  async () => {
    await using disk = await loopDisk({ fstype: null });
    await using where = await place();
    await using byUuid = where.serve({ source: `UUID=${disk.uuid}` });
    await byUuid.errLine(/no such device; blkid sees/);
    await disk.format("ext4");
    await servesAndStops(byUuid, where.target);
  },
);

await systemTest(
  [],
  "a blank disk named by its path says what it lacks, and is served with it",
  async () => {
    await using disk = await loopDisk({ fstype: null });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path });
    await wrapper.errLine(/waiting for .*: blkid knows no file system on .*mkfs/);
    await disk.format("ext4");
    await servesAndStops(wrapper, where.target);
  },
);

await systemTest([], "MNT_WAIT=0: a disk that is there is served", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: `UUID=${disk.uuid}`, env: { MNT_WAIT: "0" } });
  await servesAndStops(wrapper, where.target);
});

await systemTest([], "MNT_WAIT: a disk that never comes ends the wait with 69", async () => {
  await using where = await place();
  const source = `UUID=${crypto.randomUUID()}`;
  for (const seconds of ["0", "1"]) {
    await using wrapper = where.serve({ source, env: { MNT_WAIT: seconds } });
    assert.equal(await wrapper.code(), 69);
    await wrapper.errLine(new RegExp(`Cannot find ${source}: .*gave up after ${seconds} s`));
    assert.deepEqual(mountsOn(where.target), []);
  }
});
