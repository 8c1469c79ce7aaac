/** P1, P3: what is mounted already, by fstab or by somebody else, is taken over or refused, never covered. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { btrfsPair, loopDisk } from "../support/disk.ts";
import {
  mountElsewhere,
  mountsOn,
  type Place,
  place,
  readMounts,
  type ServeOptions,
  stopCleanly,
  systemTest,
} from "../support/system.ts";

const DEFAULT = "rw,nosuid,nodev,noexec,relatime";

/** Ends with 32 and the reason, with every mount as it was. */
async function refuses(where: Place, options: ServeOptions, reason: RegExp): Promise<void> {
  const before = readMounts();
  await using wrapper = where.serve({ ...options, env: { MNT_WAIT: "0", ...options.env } });
  assert.equal(await wrapper.code(), 32, wrapper.errLines.join("\n"));
  await wrapper.errLine(reason);
  assert.deepEqual(readMounts(), before);
}

/** Serves on the mount that is there, and leaves it there at the end. */
async function adopts(where: Place, options: ServeOptions, flags = DEFAULT): Promise<void> {
  const before = mountsOn(where.target);
  await using wrapper = where.serve(options);
  await wrapper.listening();
  await wrapper.errLine(/took over the mount of .* that was there; it stays mounted at the end/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  const after = mountsOn(where.target);
  assert.deepEqual(after.map(({ mountId }) => mountId), before.map(({ mountId }) => mountId));
  assert.equal(after.at(-1)!.mountOptions.join(","), flags);
}

async function mount(where: Place, source: string, ...options: string[]): Promise<void> {
  await Deno.mkdir(where.target, { recursive: true });
  await run("mount", ...options, source, where.target);
}

await systemTest(
  [],
  "the disk is mounted elsewhere rw, ro is asked for: EBUSY, says where",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const elsewhere = await mountElsewhere(where, disk);
    await refuses(
      where,
      { source: disk.path, env: { MNT_OPTIONS: "ro" } },
      new RegExp(`EBUSY \\(already mounted on "${elsewhere}" \\(rw, ext4\\)\\)`),
    );
  },
);

await systemTest(
  [],
  "P7: what kept the disk busy goes away: served with nobody's help",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const elsewhere = await mountElsewhere(where, disk);
    await using wrapper = where.serve({ source: disk.path, env: { MNT_OPTIONS: "ro" } });
    await wrapper.errLine(/EBUSY .*; trying again/);
    await run("umount", elsewhere);
    await wrapper.listening();
    assert.equal(wrapper.errLines.filter((line) => line.includes("EBUSY")).length, 1);
  },
);

await systemTest(
  [],
  "the disk is mounted elsewhere in the same way: served, that one stays",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const elsewhere = await mountElsewhere(where, disk);
    await using wrapper = where.serve({ source: disk.path });
    await wrapper.listening();
    await stopCleanly(wrapper, where.target);
    assert.equal(mountsOn(elsewhere).length, 1);
  },
);

await systemTest([], "something else is mounted on the target: refused, untouched", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await mount(where, "tmpfs", "-t", "tmpfs");
  await refuses(where, { source: disk.path }, /"tmpfs" \(tmpfs\) is mounted on .*; unmount it, or/);
  await mount(where, disk.path);
  await mount(where, "tmpfs", "-t", "tmpfs");
  await refuses(where, { source: disk.path }, /"tmpfs" \(tmpfs\) is mounted on /);
});

await systemTest([], "another disk is mounted on the target: refused, untouched", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using other = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await mount(where, other.path);
  await refuses(
    where,
    { source: `UUID=${disk.uuid}` },
    new RegExp(`"${other.path}" \\(ext4\\) is`),
  );
});

await systemTest(
  [],
  "a mount as fstab made it is taken over, its flags aligned, and left",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await mount(where, disk.path, "-o", "noatime,nosuid");
    await adopts(where, { source: `UUID=${disk.uuid}` });
    await adopts(where, { source: disk.path, env: { MNT_OPTIONS: "noatime,exec" } }, "rw,noatime");
  },
);

await systemTest(
  [],
  "the right disk on top of another mount is taken over, both are left",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await mount(where, "tmpfs", "-t", "tmpfs");
    await mount(where, disk.path);
    await adopts(where, { source: disk.path });
  },
);

await systemTest(["program:mkfs.btrfs"], "a btrfs of two members is taken over", async () => {
  await using pair = await btrfsPair();
  const [first, second] = pair.members;
  await using where = await place();
  await first.attach();
  await second.attach();
  await mount(where, second.path, "-o", `device=${first.path}`);
  await adopts(where, { source: `UUID=${first.uuid}` });
});

await systemTest(
  ["program:mkfs.btrfs"],
  "another subvolume than the one asked for is refused",
  async () => {
    await using disk = await loopDisk({ fstype: "btrfs" });
    await using where = await place();
    await mount(where, disk.path);
    await run("btrfs", "subvolume", "create", `${where.target}/backup`);
    const source = `UUID=${disk.uuid}`;
    await refuses(
      where,
      { source, env: { MNT_DATA: "subvol=backup" } },
      /it is mounted from "\/" of the file system/,
    );
    await run("umount", where.target);
    await mount(where, disk.path, "-o", "subvol=backup");
    await refuses(where, { source }, /it is mounted from "\/backup" of the file system/);
    await adopts(where, { source, env: { MNT_DATA: "subvol=backup" } });
  },
);

await systemTest([], "a mount that is read-only is refused, unless ro is asked for", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await mount(where, disk.path);
  await Deno.mkdir(`${where.target}/restic/data`, { recursive: true });
  await run("umount", where.target);
  await mount(where, disk.path, "-o", "ro");
  await refuses(where, { source: disk.path }, /it is mounted read-only/);
  await adopts(where, { source: disk.path, env: { MNT_OPTIONS: "ro" } }, "ro,relatime");
});

await systemTest(["program:xfs_io"], "a mount whose file system is dead is refused", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await mount(where, disk.path);
  await run("xfs_io", "-x", "-c", "shutdown", where.target);
  await refuses(where, { source: disk.path }, /its file system is dead \(shutdown\)/);
});

await systemTest(
  [],
  "a mount that covers ours while it serves: both are left, and it is said",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path });
    await wrapper.listening();
    await mount(where, "tmpfs", "-t", "tmpfs");
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 32);
    await wrapper.errLine(/is covered by another mount, of "tmpfs"; both are left there/);
    assert.deepEqual(mountsOn(where.target).map(({ fsType }) => fsType), ["ext4", "tmpfs"]);
  },
);
