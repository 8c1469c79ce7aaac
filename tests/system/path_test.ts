/** P1: rest-server only runs with a --path on the very mount. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import {
  fsck,
  mountsOn,
  type Place,
  place,
  readMounts,
  refusalCode,
  stopCleanly,
  systemTest,
} from "../support/system.ts";
import type { ServeOptions } from "../support/system.ts";

type Given = (where: Place) => Pick<ServeOptions, "path" | "target">;

/** Puts something on the disk before the program sees it. */
async function prepare(where: Place, disk: Disk, make: (target: string) => Promise<void>) {
  await Deno.mkdir(where.target, { recursive: true });
  await run("mount", disk.path, where.target);
  await make(where.target);
  await run("umount", where.target);
}

/** Refused with 78; no mount is left, and rest-server never ran. */
async function refuses(where: Place, disk: Disk, path: string, says: RegExp): Promise<void> {
  const mountIds = () => readMounts().map(({ mountId }) => mountId);
  const before = mountIds();
  await using wrapper = where.serve({ source: disk.path, path });
  assert.equal(await refusalCode(wrapper), 78, wrapper.errLines.join("\n"));
  await wrapper.errLine(says);
  assert.ok(!wrapper.errLines.some((line) => line.startsWith("Data directory")));
  assert.deepEqual(mountIds(), before);
}

const OFF_THE_DISK: Record<string, (target: string) => string> = {
  "beside the target": (target) => `${target}/../restic`,
  "with the target's name as its beginning": (target) => `${target}-too/restic`,
  "above the target": (target) => target.slice(0, target.lastIndexOf("/")),
  "elsewhere": () => "/tmp/restic",
  "by .. out of a deeper directory": (target) => `${target}/a/../../b`,
};
for (const [what, path] of Object.entries(OFF_THE_DISK)) {
  await systemTest([], `--path ${what} is refused before anything is mounted`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await refuses(where, disk, path(where.target), /it does not lie below MNT_TARGET=/);
    assert.equal(await Deno.stat(where.target).catch(() => null), null);
  });
}

const SYMLINKS: Record<string, (directory: string) => [link: string, to: string]> = {
  "to a directory elsewhere": (directory) => ["restic", directory],
  "in the middle of the path": (directory) => ["link", directory],
  "that is relative": () => ["restic", "../outside"],
  "to nothing yet": (directory) => ["restic", `${directory}/not/yet`],
  "to nothing yet in the middle of the path": () => ["link", "../not/yet"],
  "to itself": () => ["restic", "restic"],
};
for (const [what, make] of Object.entries(SYMLINKS)) {
  await systemTest([], `a symlink on the disk ${what} is refused, unmounted again`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const [link, to] = make(where.directory);
    await Deno.mkdir(`${where.directory}/outside`);
    await prepare(where, disk, (target) => Deno.symlink(to, `${target}/${link}`));
    const path = link === "restic" ? `${where.target}/restic` : `${where.target}/${link}/restic`;
    await refuses(where, disk, path, /Cannot serve --path "/);
    await fsck("ext4", disk);
  });
}

const GOOD: Record<string, { given: Given; prepare?: (where: Place) => Promise<void> }> = {
  "equal to the target": { given: ({ target }) => ({ path: target }) },
  "deep below the target, not made yet": { given: ({ target }) => ({ path: `${target}/a/b/c` }) },
  "relative to the working directory": { given: () => ({ path: "target/restic" }) },
  "below a target that has a symlink above it": {
    prepare: async ({ directory }) => {
      await Deno.mkdir(`${directory}/real`);
      await Deno.symlink("real", `${directory}/link`);
    },
    given: ({ directory }) => ({ target: `${directory}/link/target` }),
  },
  "below a target that is a symlink": {
    prepare: async ({ directory, target }) => {
      await Deno.mkdir(target);
      await Deno.symlink(target, `${directory}/link`);
    },
    given: ({ directory }) => ({ target: `${directory}/link` }),
  },
};
for (const [what, { given, prepare: make }] of Object.entries(GOOD)) {
  await systemTest(
    [],
    `--path ${what} is served, and its repository lies on the disk`,
    async () => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      await make?.(where);
      const { path, target = where.target } = given(where);
      {
        await using wrapper = where.serve({ source: disk.path, ...given(where) });
        const address = await wrapper.listening();
        const made = await fetch(`http://${address}/?create=true`, { method: "POST" });
        await made.body?.cancel();
        assert.equal(made.status, 200);
        wrapper.signal("SIGTERM");
        assert.equal(await wrapper.code(), 0);
      }
      const resolved = await Deno.realPath(target);
      assert.deepEqual(mountsOn(resolved), []);
      await run("mount", disk.path, resolved);
      const repository = path === undefined ? `${target}/restic` : `${where.directory}/${path}`;
      const data = path?.startsWith("/") ? path : repository;
      assert.ok((await Deno.stat(`${data}/data`)).isDirectory);
      await run("umount", resolved);
    },
  );
}

await systemTest(
  [],
  "a regular file on the way of --path is refused, unmounted again",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await prepare(where, disk, (target) => Deno.writeTextFile(`${target}/file`, ""));
    await refuses(where, disk, `${where.target}/file/restic`, /Cannot serve --path "/);
  },
);

const NAMES = { spaces: " a b ", umlauts: "Größe", newlines: "a\nb", escapes: "a\\040b#\tc" };
for (const [what, name] of Object.entries(NAMES)) {
  await systemTest([], `a target with ${what} in its name is served`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const target = `${where.directory}/${name}`;
    await using wrapper = where.serve({ source: disk.path, target });
    assert.equal(await refusalCode(wrapper), "it serves", wrapper.errLines.join("\n"));
    assert.equal(mountsOn(target).length, 1);
    await stopCleanly(wrapper, target);
  });
}

await systemTest([], "a target that cannot be made is refused, and says what to set", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await Deno.mkdir(where.target);
  await run("mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", where.target);
  const target = `${where.target}/disk`;
  await using wrapper = where.serve({ source: disk.path, target });
  assert.equal(await refusalCode(wrapper), 78);
  await wrapper.errLine(/Cannot make the directory .*Read-only.*set MNT_TARGET to a directory on/);
});

await systemTest([], "a symlink on the disk that stays on it is served", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await prepare(where, disk, async (target) => {
    await Deno.mkdir(`${target}/real`);
    await Deno.symlink("real", `${target}/restic`);
  });
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
});

await systemTest([], "another mount below the disk's is refused as --path", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await Deno.mkdir(where.target);
  await run("mount", disk.path, where.target);
  await Deno.mkdir(`${where.target}/restic`);
  await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", `${where.target}/restic`);
  await refuses(where, disk, `${where.target}/restic`, /lies on ".*\/restic" \(tmpfs\)/);
});
