/** Others mount, move and exchange things while the program works: only its own mount is touched, and served. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { Disk, loopDisk } from "../support/disk.ts";
import { mountsOn, type Place, place, readMounts, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

const typesOn = (target: string) => mountsOn(target).map(({ fsType }) => fsType);

/** A blkid that takes its time over some other disk. */
async function slowBlkid({ directory }: Place): Promise<string> {
  const path = `${directory}/blkid`;
  const lines = ["#!/bin/sh", 'blkid "$@"; code=$?', `: >${directory}/asked; sleep 2; exit $code`];
  await Deno.writeTextFile(path, lines.join("\n"), { mode: 0o755 });
  return path;
}

await systemTest([], "P1: a disk that is exchanged after blkid saw it is not served", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using other = await Disk.make({ fstype: "ext4" });
  await using where = await place();
  const MNT_BLKID = await slowBlkid(where);
  await using wrapper = where.serve({ source: `LABEL=${disk.label}`, env: { MNT_BLKID } });
  await until(() => Deno.stat(`${where.directory}/asked`).catch(() => null), "blkid is asked");
  const path = disk.path;
  await disk.detach();
  await run("losetup", path, other.image);
  try {
    await wrapper.errLine(/another disk was put in its place|waiting for LABEL=/);
    await wrapper.errLine(/waiting for LABEL=.*: no such device/);
    assert.deepEqual(wrapper.errLines.filter((line) => /start server on/.test(line)), []);
    assert.deepEqual(mountsOn(where.target), []);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  } finally {
    await run("losetup", "--detach", path);
  }
});

await systemTest([], "P7: a disk exchanged for another one of its size is seen", async () => {
  await using disk = await Disk.make({ fstype: "ext4" });
  await using other = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: `LABEL=${disk.label}` });
  await wrapper.errLine(/waiting for LABEL=/);
  const path = other.path;
  await other.detach();
  await run("losetup", path, disk.image);
  try {
    await wrapper.listening();
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  } finally {
    await run("losetup", "--detach", path);
  }
});

await systemTest(
  [],
  "a target that became a symlink while it waits: 32, nothing mounted",
  async () => {
    await using disk = await Disk.make({ fstype: "ext4" });
    await using where = await place();
    await Deno.mkdir(`${where.directory}/elsewhere`);
    await using wrapper = where.serve({ source: `LABEL=${disk.label}` });
    await wrapper.errLine(/waiting for LABEL=/);
    await Deno.symlink("elsewhere", where.target);
    const before = readMounts().length;
    await disk.attach();
    assert.equal(await wrapper.code(), 32);
    await wrapper.errLine(/"\/.*\/target" has become a symlink to "\/.*\/elsewhere"; remove it/);
    assert.equal(readMounts().length, before);
  },
);

await systemTest([], "what is mounted over ours while it is busy is not unmounted", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
  const holder = new Deno.Command("sleep", { args: ["60"], cwd: where.target }).spawn();
  try {
    wrapper.signal("SIGTERM");
    await wrapper.errLine(/Cannot unmount .*; trying again/);
    await run("mount", "-t", "tmpfs", "tmpfs", where.target);
    assert.equal(await wrapper.code(), 32);
    await wrapper.errLine(/is covered by another mount, of "tmpfs"; both are left there/);
    assert.deepEqual(typesOn(where.target), ["ext4", "tmpfs"]);
  } finally {
    holder.kill();
    await holder.status;
    await run("umount", "--all-targets", "--lazy", where.target);
  }
});

await systemTest(
  [],
  "a mount that is hidden or moved is not said to be unmounted: 32",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    for (const how of ["hidden", "moved"]) {
      const target = `${where.directory}/${how}/target`;
      await using wrapper = where.serve({ source: disk.path, target });
      await wrapper.listening();
      await Deno.mkdir(`${where.directory}/there`, { recursive: true });
      if (how === "hidden") await run("mount", "-t", "tmpfs", "cover", `${where.directory}/hidden`);
      else await run("mount", "--move", target, `${where.directory}/there`);
      wrapper.signal("SIGTERM");
      assert.equal(await wrapper.code(), 32, how);
      await wrapper.errLine(
        how === "hidden" ? /covered by another mount, of "cover"/ : /was moved to/,
      );
      await run(
        "umount",
        ...how === "hidden" ? [`${where.directory}/hidden`, target] : [
          `${where.directory}/there`,
        ],
      );
    }
  },
);
