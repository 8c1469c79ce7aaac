/** MNT_OPTIONS and MNT_DATA: the kernel's own table of mounts shows what was asked for. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { run } from "../support/command.ts";
import { mountsOn, place, systemTest } from "../support/system.ts";

interface Case {
  readonly name: string;
  readonly env: Record<string, string>;
  /** Exactly these options of the mount. */
  readonly mount: string;
  /** These options of the file system among others. */
  readonly super?: readonly string[];
}

const CASES: Case[] = [
  {
    name: "without MNT_OPTIONS it is nosuid,nodev,noexec,relatime",
    env: {},
    mount: "rw,nosuid,nodev,noexec,relatime",
  },
  { name: "defaults alone", env: { MNT_OPTIONS: "defaults" }, mount: "rw,relatime" },
  {
    name: "noatime in place of relatime",
    env: { MNT_OPTIONS: "nosuid,noatime" },
    mount: "rw,nosuid,noatime",
  },
  {
    name: "the later word wins",
    env: { MNT_OPTIONS: "noexec,exec,nodev,suid" },
    mount: "rw,nodev,relatime",
  },
  {
    name: "strictatime and nosymfollow",
    env: { MNT_OPTIONS: "strictatime,nosymfollow" },
    mount: "rw,nosymfollow",
  },
  {
    name: "words of mount(8) are kept from the kernel",
    env: { MNT_OPTIONS: "nofail,noauto,_netdev,x-systemd.automount,X-mount.mkdir,user,noexec" },
    mount: "rw,nosuid,nodev,noexec,relatime",
  },
  {
    name: "the file system's own words of MNT_OPTIONS, and MNT_DATA behind them",
    env: { MNT_OPTIONS: "nodev,errors=remount-ro,data=journal", MNT_DATA: "commit=77" },
    mount: "rw,nodev,relatime",
    super: ["rw", "errors=remount-ro", "data=journal", "commit=77"],
  },
  { name: "sync", env: { MNT_OPTIONS: "sync" }, mount: "rw,relatime", super: ["rw", "sync"] },
];

for (const { name, env, mount, super: superOptions = ["rw"] } of CASES) {
  await systemTest([], name, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env });
    await wrapper.listening();
    const [mounted, ...others] = mountsOn(where.target);
    assert.deepEqual(others, []);
    assert.equal(mounted!.mountOptions.join(","), mount);
    assert.deepEqual(superOptions.filter((word) => !mounted!.superOptions.includes(word)), []);
  });
}

await systemTest([], "ro: restores are served from a disk that nobody can write to", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await Deno.mkdir(where.target);
  await run("mount", disk.path, where.target);
  await Deno.mkdir(`${where.target}/restic/data`, { recursive: true });
  await Deno.writeTextFile(`${where.target}/restic/config`, "a repository");
  await run("umount", where.target);

  await using wrapper = where.serve({ source: disk.path, env: { MNT_OPTIONS: "ro,noexec" } });
  const address = await wrapper.listening();
  const [mounted] = mountsOn(where.target);
  assert.equal(mounted!.mountOptions.join(","), "ro,noexec,relatime");
  assert.ok(mounted!.superOptions.includes("ro"));
  const config = await fetch(`http://${address}/config`);
  assert.equal(await config.text(), "a repository");
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

for (const [variable, other] of [["MNT_OPTIONS", "MNT_DATA"], ["MNT_DATA", "MNT_OPTIONS"]]) {
  await systemTest(
    ["program:mkfs.btrfs"],
    `subvol= in ${variable}: the subvolume is what is served`,
    async () => {
      await using disk = await loopDisk({ fstype: "btrfs" });
      await using where = await place();
      await Deno.mkdir(where.target);
      await run("mount", disk.path, where.target);
      await run("btrfs", "subvolume", "create", `${where.target}/backup`);
      await run("umount", where.target);

      const env = { [variable!]: "subvol=backup,compress=zstd:1", [other!]: "" };
      await using wrapper = where.serve({ source: `UUID=${disk.uuid}`, env });
      await wrapper.listening();
      const [mounted] = mountsOn(where.target);
      assert.equal(mounted!.root, "/backup");
      assert.ok(mounted!.superOptions.includes("compress=zstd:1"));
      wrapper.signal("SIGTERM");
      assert.equal(await wrapper.code(), 0);
    },
  );
}

const REFUSED = {
  nosuchoption: "knows no option .nosuchoption.*in MNT_DATA or MNT_OPTIONS",
  nofail: "move it from MNT_DATA to MNT_OPTIONS",
};
for (const [data, hint] of Object.entries(REFUSED)) {
  await systemTest(
    [],
    `P9: MNT_DATA=${data} is refused by the kernel, and the line says what to do`,
    async () => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      await using wrapper = where.serve({
        source: disk.path,
        env: { MNT_DATA: data, MNT_WAIT: "0" },
      });
      assert.equal(await wrapper.code(), 32);
      await wrapper.errLine(new RegExp(`Cannot mount "${disk.path}".*EINVAL.*${hint}`));
      assert.deepEqual(mountsOn(where.target), []);
    },
  );
}
