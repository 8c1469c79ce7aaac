/** P2 and the end: the mount stays until rest-server has ended, and what keeps it busy is named. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { standIn } from "../support/processes.ts";
import { fsck, mountsOn, place, systemTest } from "../support/system.ts";

await systemTest([], "umount from outside while idle: busy, serving goes on", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  const address = await wrapper.listening();
  await assert.rejects(run("umount", where.target), /busy/);
  assert.equal(mountsOn(where.target).length, 1);
  assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

/** A rest-server that takes its time to stop and then looks whether its disk is still there. */
const SLOW_SERVER = `#!/bin/sh
stop() {
  sleep 0.5
  grep -q " $2 " /proc/self/mountinfo && echo "still mounted" && echo proof > "$2/proof"
  kill $waiting
  exit 0
}
trap 'stop "$@"' TERM
sleep 1000 &
waiting=$!
echo ready
wait
`;

await systemTest([], "P2: stays mounted until rest-server has ended, however slowly", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const server = `${where.directory}/slow-server`;
  await Deno.writeTextFile(server, SLOW_SERVER, { mode: 0o755 });
  await using wrapper = where.serve({
    source: disk.path,
    path: where.target,
    env: { MNT_SERVER: server },
  });
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
  assert.deepEqual(wrapper.outLines, ["ready", "still mounted"]);
  assert.deepEqual(mountsOn(where.target), []);
  await run("mount", disk.path, where.target);
  assert.equal(await Deno.readTextFile(`${where.target}/proof`), "proof\n");
});

/** A rest-server that writes what it never syncs, and whose stop leaves time for a sync beside it. */
const UNSYNCED_SERVER = `#!/bin/sh
trap 'sleep 0.5; kill $waiting; exit 0' TERM
head --bytes=33554432 /dev/zero > "$2/zeros"
sleep 1000 &
waiting=$!
echo written
wait
`;

for (const stop of ["at once", "slowly"] as const) {
  await systemTest(
    [],
    `a disk loses what was written, rest-server stops ${stop}: said, 32`,
    async () => {
      await using where = await place();
      const directory = `${where.directory}/small`;
      await Deno.mkdir(directory);
      // Writes to the disk fail with EIO where the file behind it cannot grow.
      await run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", directory);
      await using disk = await loopDisk({ fstype: "ext4", directory });
      const server = `${where.directory}/server`;
      await Deno.writeTextFile(server, UNSYNCED_SERVER, { mode: 0o755 });
      const slow = stop === "slowly" ? { path: where.target, env: { MNT_SERVER: server } } : {};
      await using wrapper = where.serve({ source: disk.path, ...slow });
      if (stop === "slowly") {
        await wrapper.outLine(/^written$/);
      } else {
        const url = `http://${await wrapper.listening()}`;
        await httpStatus(`${url}/?create=true`, { method: "POST" });
        const body = "x".repeat(32 * 1024 ** 2);
        assert.equal(await httpStatus(`${url}/config`, { method: "POST", body }), 200);
      }
      wrapper.signal("SIGTERM");
      assert.equal(await wrapper.code(), 32, wrapper.errLines.join("\n"));
      await wrapper.errLine(
        new RegExp(`Cannot write everything to "${disk.path}": the disk refused`),
      );
      assert.deepEqual(mountsOn(where.target), []);
    },
  );
}

await systemTest([], "held by a process: named, tried for 5 s, detached lazily, 32", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
  await using holder = await standIn(where.target);
  wrapper.signal("SIGTERM");
  const holds = `EBUSY \\(held by sleep \\(process ${holder.pid}, "${where.target}"\\)\\)`;
  await wrapper.errLine(new RegExp(`Cannot unmount ".*": ${holds}; trying again for 5 s`));
  assert.equal(await wrapper.code(), 32);
  await wrapper.errLine(
    new RegExp(
      `Cannot unmount ".*": ${holds}; detaching it lazily \\(MNT_DETACH\\): ` +
        "do not unplug the disk until these are gone$",
    ),
  );
  assert.deepEqual(mountsOn(where.target), []);
});

await systemTest([], "held by a process that goes within 5 s: 0, clean", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
  {
    await using _holder = await standIn(where.target);
    wrapper.signal("SIGTERM");
    await wrapper.errLine(/Cannot unmount .*; trying again/);
    assert.equal(mountsOn(where.target).length, 1);
  }
  assert.equal(await wrapper.code(), 0);
  await wrapper.errLine(/unmounted ".*\/target"/);
  await fsck("ext4", disk);
});

await systemTest(
  [],
  "held by a mount below it and by a loop file on it: both are named",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path });
    await wrapper.listening();
    const below = `${where.target}/below`;
    await Deno.mkdir(below);
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", below);
    const file = `${where.target}/file`;
    await run("truncate", "--size=1M", file);
    const loop = await run("losetup", "--find", "--show", file);
    try {
      wrapper.signal("SIGTERM");
      const { input } = await wrapper.errLine(/Cannot unmount .*EBUSY .*; trying again/);
      assert.ok(input.includes(`${loop} (loop device, "${file}")`), input);
      assert.ok(input.includes(`mount on "${below}"`), input);
    } finally {
      await run("losetup", "--detach", loop);
    }
    await run("umount", below);
    assert.equal(await wrapper.code(), 0);
  },
);
