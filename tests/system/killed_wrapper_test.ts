/** P3: what a killed wrapper left behind is taken over or refused, and only what it made is unmounted. */
import assert from "node:assert/strict";
import { lockName } from "../../mod/lock.ts";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { childPids, isLauncher, serverPid } from "../support/processes.ts";
import { mountsOn, type Place, place, stopCleanly, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Whether a process runs; one that nobody has reaped yet does not. */
async function runs(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}

async function kill(pid: number): Promise<void> {
  if (await runs(pid)) Deno.kill(pid, "SIGKILL");
  await until(async () => !await runs(pid), `end of process ${pid}`);
}

/** What the lock file of a place's target says now. */
async function lockText(where: Place): Promise<string> {
  const path = `/run/restic-rest-server/${await lockName(where.target)}`;
  return await Deno.readTextFile(path).catch(() => "");
}

/** Serves; then wrapper and rest-server die at once, and the mount is left. */
async function serveAndKill(where: Place, disk: Disk): Promise<void> {
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
  const server = serverPid(wrapper);
  await kill(wrapper.pid);
  await kill(server);
  assert.equal(mountsOn(where.target).length, 1);
}

await systemTest(
  [],
  "killed with its rest-server: the next one takes over and unmounts",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await serveAndKill(where, disk);
    await using wrapper = where.serve({ source: `UUID=${disk.uuid}` });
    await wrapper.listening();
    await wrapper.errLine(/took over the mount of .* that was there, left by an earlier run/);
    assert.equal(mountsOn(where.target).length, 1);
    await stopCleanly(wrapper, where.target);
  },
);

await systemTest(
  [],
  "killed, then mounted anew by somebody else: left mounted at the end",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await serveAndKill(where, disk);
    await run("umount", where.target);
    await run("mount", disk.path, where.target);
    await using wrapper = where.serve({ source: disk.path });
    await wrapper.listening();
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    assert.equal(mountsOn(where.target).length, 1, "the mount of somebody else is gone");
  },
);

await systemTest(
  [],
  "killed alone: its rest-server goes with it, and the next one serves",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using first = where.serve({ source: disk.path });
    await first.listening();
    const server = serverPid(first);
    first.signal("SIGKILL");
    // At once: the parent-death signal is on its way, or just was.
    await using second = where.serve({ source: disk.path });
    await second.listening();
    assert.equal(await runs(server), false, "the earlier rest-server runs beside the new one");
    assert.equal(mountsOn(where.target).length, 1);
    await stopCleanly(second, where.target);
  },
);

await systemTest(
  [],
  "killed with a launcher that is frozen: that is ended, and the next one serves",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    let first: Wrapper;
    let launcher = 0;
    for (;;) {
      first = where.serve({ source: disk.path });
      launcher = await until(() => childPids(first.pid)[0], "the launcher");
      Deno.kill(launcher, "SIGSTOP");
      // blkid comes and goes before it, and rest-server is what it becomes.
      const noted = await isLauncher(launcher) && await until(
        async () => (await lockText(where)).includes(`"pid":${launcher}`),
        "the launcher's number in the lock file",
      );
      if (noted) {
        await kill(first.pid);
        break;
      }
      Deno.kill(launcher, "SIGCONT");
      first.signal("SIGTERM");
      await first.status;
    }
    assert.ok(await runs(launcher));
    await using second = where.serve({ source: disk.path });
    await second.errLine(
      new RegExp(`ended the rest-server of an earlier run, process ${launcher}: its wrapper died`),
    );
    await second.listening();
    assert.equal(await runs(launcher), false);
    await first.status;
    assert.equal(mountsOn(where.target).length, 1);
    await stopCleanly(second, where.target);
  },
);
