/** P3: what a killed wrapper left behind is taken over or refused, and only what it made is unmounted. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { serverPid } from "../support/processes.ts";
import { mountsOn, type Place, place, refusalCode, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

/** Whether a process runs; one that nobody has reaped yet does not. */
async function runs(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
}

async function kill(pid: number): Promise<void> {
  if (await runs(pid)) Deno.kill(pid, "SIGKILL");
  await until(async () => !await runs(pid), `end of process ${pid}`);
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
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    assert.deepEqual(mountsOn(where.target), []);
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

await systemTest([], "killed without its rest-server: never two of them", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using first = where.serve({ source: disk.path });
  await first.listening();
  const server = serverPid(first);
  await kill(first.pid);
  await using second = where.serve({ source: disk.path });
  const code = await refusalCode(second);
  if (code === "it serves") {
    assert.equal(await runs(server), false, "the earlier rest-server runs beside the new one");
  } else {
    assert.equal(code, 75);
    await second.errLine(new RegExp(`the rest-server of an earlier run, process ${server}, still`));
  }
  await kill(server);
  assert.equal(mountsOn(where.target).length, 1);
  if (code === "it serves") second.signal("SIGTERM");
  await second.status;
  await using third = where.serve({ source: disk.path });
  await third.listening();
  third.signal("SIGTERM");
  assert.equal(await third.code(), 0);
  assert.deepEqual(mountsOn(where.target), []);
});
