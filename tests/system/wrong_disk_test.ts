/** P9: what can never be mounted is refused in words, with nothing mounted. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { place, readMounts, refusalCode, systemTest } from "../support/system.ts";
import type { ServeOptions } from "../support/system.ts";

interface Case {
  readonly name: string;
  readonly options: (disk: { path: string; uuid: string }, directory: string) => ServeOptions;
  readonly code: number;
  readonly says: RegExp;
}

const CASES: Case[] = [
  {
    name: "xfs asked for, ext4 there: 32 after MNT_WAIT, says what blkid sees",
    options: ({ uuid }) => ({
      source: `UUID=${uuid}`,
      env: { MNT_FSTYPE: "xfs", MNT_WAIT: "1" },
    }),
    code: 32,
    says:
      /EINVAL \(wrong file system: blkid sees ext4\); set MNT_FSTYPE=ext4, .*gave up after \d s \(MNT_WAIT\)/,
  },
  {
    name: "xfs asked for by the disk's path, ext4 there: 32, and blkid is asked after it",
    options: ({ path }) => ({ source: path, env: { MNT_FSTYPE: "xfs", MNT_WAIT: "0" } }),
    code: 32,
    says:
      /as xfs .*EINVAL \(wrong file system: blkid sees ext4\); .*gave up after 0 s \(MNT_WAIT\)/,
  },
  {
    name: "a file system that the kernel lacks: 78 at once, names those it has",
    options: ({ uuid }) => ({ source: `UUID=${uuid}`, env: { MNT_FSTYPE: "nosuchfs" } }),
    code: 78,
    says: /ENODEV \(this kernel has no file system "nosuchfs"; it has .*\bext4\b/,
  },
  {
    name: "a regular file as source: 78, names losetup",
    options: (_, directory) => ({ source: `${directory}/file` }),
    code: 78,
    says: /Cannot mount ".*\/file": it is a file, not a block device; .*losetup/,
  },
  {
    name: "a directory as source: 78",
    options: (_, directory) => ({ source: directory }),
    code: 78,
    says: /it is a directory, not a block device/,
  },
  {
    name: "a character device as source: 78",
    options: () => ({ source: "/dev/null" }),
    code: 78,
    says: /Cannot mount "\/dev\/null": .*not a block device/,
  },
  {
    name: "a regular file as target: 78",
    options: ({ path }, directory) => ({ source: path, target: `${directory}/file` }),
    code: 78,
    says: /Cannot make the directory ".*\/file".*set MNT_TARGET to a directory/,
  },
  {
    name: "a target below a regular file: 78",
    options: ({ path }, directory) => ({ source: path, target: `${directory}/file/target` }),
    code: 78,
    says: /Cannot use MNT_TARGET=".*\/file\/target": Not a directory/,
  },
];

for (const { name, options, code, says } of CASES) {
  await systemTest(["program:mkfs.xfs"], name, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await Deno.writeTextFile(`${where.directory}/file`, "");
    const before = readMounts();
    await using wrapper = where.serve(options(disk, where.directory));
    assert.equal(await refusalCode(wrapper), code, wrapper.errLines.join("\n"));
    await wrapper.errLine(says);
    assert.deepEqual(readMounts(), before);
  });
}

for (const by of ["path", "UUID"] as const) {
  await systemTest(
    ["program:mkfs.btrfs"],
    `ext4 asked for, btrfs there, named by ${by}: 32, not mounted as what it is`,
    async () => {
      await using disk = await loopDisk({ fstype: "btrfs" });
      await using where = await place();
      await using wrapper = where.serve({
        source: by === "path" ? disk.path : `UUID=${disk.uuid}`,
        env: { MNT_FSTYPE: "ext4", MNT_WAIT: "0" },
      });
      assert.equal(await refusalCode(wrapper), 32, wrapper.errLines.join("\n"));
      await wrapper.errLine(/as ext4 .*EINVAL/);
    },
  );
}
