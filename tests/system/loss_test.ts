/** P7: a disk that is lost while it is served is let go at once, and served again by the same process. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type DiskType, loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { serverPid, standIn } from "../support/processes.ts";
import { restic } from "../support/restic.ts";
import { mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Seconds between two looks: short, so that the tests are. */
const WATCH = { MNT_WATCH: "0.2" };

/** Shuts a file system down as a fatal error would: EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN. */
async function shutDown(target: string): Promise<void> {
  await run("xfs_io", "-x", "-c", "shutdown", target);
}

/** Waits until it listens for the nth time; gives `host:port`. */
async function listeningAgain(wrapper: Wrapper, from: number): Promise<string> {
  return (await wrapper.errLine(/^start server on (.*)$/, from))[1]!;
}

for (const fstype of ["ext4", "xfs"] as const satisfies readonly DiskType[]) {
  await systemTest(
    ["program:mkfs.xfs"],
    `P7: ${fstype} that an error has shut down is let go, mounted anew and served`,
    async () => {
      await using disk = await loopDisk({ fstype });
      await using where = await place();
      await using wrapper = where.serve({ source: `UUID=${disk.uuid}`, env: WATCH });
      const before = await wrapper.listening();
      await restic(before, "init");
      // rest-server does not sync config; the shutdown below is a power cut.
      await run("sync", "-f", where.target);
      const first = serverPid(wrapper);
      const seen = wrapper.errLines.length;
      await shutDown(where.target);
      await wrapper.errLine(
        new RegExp(`error: "${disk.path}" is lost: .*stopping rest-server \\(process ${first}\\)`),
        seen,
      );
      await wrapper.errLine(/ detached "/, seen);
      const address = await listeningAgain(wrapper, seen);
      assert.notEqual(serverPid(wrapper), first);
      assert.equal(mountsOn(where.target).length, 1);
      await restic(address, "check");
      await stopCleanly(wrapper, where.target);
    },
  );
}

await systemTest(
  ["program:mkfs.xfs"],
  "a lost file system that somebody holds is not mounted again before it is free",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: WATCH });
    await wrapper.listening();
    const seen = wrapper.errLines.length;
    {
      await using _holder = await standIn(where.target);
      await shutDown(where.target);
      await wrapper.errLine(/ is in use, though no mount here shows it: .*; trying again$/, seen);
      assert.deepEqual(mountsOn(where.target), []);
    }
    await listeningAgain(wrapper, seen);
    assert.equal(mountsOn(where.target)[0]!.superOptions.includes("shutdown"), false);
    await stopCleanly(wrapper, where.target);
  },
);

await systemTest([], "P7: a mount that somebody takes away is made and served anew", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, env: WATCH });
  await wrapper.listening();
  const seen = wrapper.errLines.length;
  await run("umount", "-l", where.target);
  await wrapper.errLine(/ is lost: somebody else unmounted it; stopping rest-server/, seen);
  const address = await listeningAgain(wrapper, seen);
  assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
  assert.equal(mountsOn(where.target).length, 1);
  await stopCleanly(wrapper, where.target);
});

await systemTest([], "P1: a mount over the served one ends the service with 32", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, env: WATCH });
  await wrapper.listening();
  const seen = wrapper.errLines.length;
  await run("mount", "-t", "tmpfs", "cover", where.target);
  await wrapper.errLine(/ is lost: "cover" \(tmpfs\) was mounted over it; stopping rest-server/);
  assert.equal(await wrapper.code(), 32);
  assert.equal(wrapper.errLines.slice(seen).some((line) => /start server/.test(line)), false);
  assert.equal(mountsOn(where.target).length, 2, "what is under somebody else's mount stays");
  await run("umount", where.target);
  await run("umount", where.target);
});

/** Has ext4 find an error: the kernel's Documentation/ABI/testing/sysfs-fs-ext4. */
async function triggerError(device: string): Promise<void> {
  const name = device.slice("/dev/".length);
  await Deno.writeTextFile(`/sys/fs/ext4/${name}/trigger_fs_error`, "test");
}

await systemTest(
  [],
  "a file system that turned read-only by an error goes on serving restores, and says so",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const env = { ...WATCH, MNT_DATA: "errors=remount-ro" };
    await using wrapper = where.serve({ source: disk.path, env });
    const address = await wrapper.listening();
    await restic(address, "init");
    const server = serverPid(wrapper);
    await triggerError(disk.path);
    await wrapper.errLine(/error: the file system has turned read-only after an error \(/);
    await wrapper.errLine(/error: ext4 has counted 1 error on ".*": stop this program/);
    assert.equal(serverPid(wrapper), server);
    await restic(address, "--no-lock", "cat", "config");
    wrapper.signal("SIGTERM");
    await wrapper.code();
    assert.deepEqual(mountsOn(where.target), []);
  },
);

await systemTest([], "an error that ext4 only counts is said once", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const env = { ...WATCH, MNT_DATA: "errors=continue" };
  await using wrapper = where.serve({ source: disk.path, env });
  await wrapper.listening();
  await triggerError(disk.path);
  await wrapper.errLine(/error: ext4 has counted 1 error/);
  await triggerError(disk.path);
  await wrapper.errLine(/error: ext4 has counted 2 errors/);
  const said = wrapper.errLines.filter((line) => line.includes("has counted"));
  assert.equal(said.length, 2);
  await stopCleanly(wrapper, where.target);
});

await systemTest(
  ["program:mkfs.xfs"],
  "MNT_WATCH=0 never looks: a dead disk is served on until it is asked to stop",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: { MNT_WATCH: "0" } });
    const address = await wrapper.listening();
    await shutDown(where.target);
    for (let i = 0; i < 3; i++) await httpStatus(`http://${address}/config`);
    assert.equal(wrapper.errLines.some((line) => line.includes("is lost")), false);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 32, "the sync of a dead disk fails");
    assert.deepEqual(mountsOn(where.target), []);
  },
);

await systemTest(
  ["program:mkfs.xfs"],
  "what a killed run left mounted and died since is cleared, and the disk served",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    {
      await using first = where.serve({ source: disk.path, env: WATCH });
      await first.listening();
      first.signal("SIGKILL");
      await first.code();
    }
    await shutDown(where.target);
    await using wrapper = where.serve({ source: disk.path, env: WATCH });
    await wrapper.errLine(
      /detached the mount of .* that an earlier run left: its file system is dead/,
    );
    await wrapper.listening();
    assert.equal(mountsOn(where.target).length, 1);
    await stopCleanly(wrapper, where.target);
  },
);

await systemTest(
  ["program:mkfs.xfs"],
  "SIGTERM while a lost disk is waited for ends with 0, and nothing is mounted",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: WATCH });
    await wrapper.listening();
    await using _holder = await standIn(where.target);
    await shutDown(where.target);
    await until(() => mountsOn(where.target).length === 0, "the detach");
    await stopCleanly(wrapper, where.target);
  },
);
