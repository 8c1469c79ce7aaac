/** P3, P7: a disk that hangs, as one on a file system that is frozen, in calls of the kernel that only begin or end a mount. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { FreezableDisk } from "../support/freezable_disk.ts";
import { isIn, isRunning, serverPid } from "../support/processes.ts";
import { mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

/** A disk that can be made to hang, plugged in, and a place to serve it. */
async function plugIn(stage: AsyncDisposableStack) {
  const outer = stage.use(await loopDisk({ fstype: "ext4", sizeBytes: 256 * 1024 ** 2 }));
  const where = stage.use(await place());
  const freezable = stage.use(await FreezableDisk.make(outer, where));
  const { disk } = freezable;
  await disk.attach();
  return { where, freezable, disk };
}

await systemTest(
  ["program:fsfreeze"],
  "P3: killed in mount(2), which comes to its end: the mount is taken over, and unmounted at the end",
  async () => {
    await using stage = new AsyncDisposableStack();
    const { where, freezable, disk } = await plugIn(stage);
    await freezable.freeze();
    await using killed = where.serve({ source: disk.path });
    // It has begun to write by then: no signal ends it any more.
    await killed.errLine(/still waiting for mount\(2\) of .* after 10 s/);
    assert.ok(isIn(killed.pid, "mount"));
    killed.signal("SIGKILL");
    await freezable.thaw();
    // Its first thread is gone at once, and the one that mounts only now.
    await until(() => mountsOn(where.target).length === 1, "the mount that it has begun");
    await using next = where.serve({ source: disk.path });
    await next.listening();
    await next.errLine(/took over the mount of .* that was there, left by an earlier run/);
    await stopCleanly(next, where.target);
  },
);

await systemTest(
  ["program:fsfreeze"],
  "P7: the last close(2) of a mount that was taken away hangs: said, and a signal is taken",
  async () => {
    await using stage = new AsyncDisposableStack();
    const { where, freezable, disk } = await plugIn(stage);
    await using wrapper = where.serve({ source: disk.path, env: { MNT_WATCH: "0.2" } });
    await wrapper.listening();
    const server = serverPid(wrapper);
    await freezable.freeze();
    await Deno.writeTextFile(`${where.target}/unsynced`, "x");
    await run("umount", "--lazy", where.target);
    await until(() => !isRunning(server), "the end of rest-server");
    await wrapper.errLine(/still waiting for close\(2\) of ".*" after 10 s/);
    wrapper.signal("SIGTERM");
    await freezable.thaw();
    assert.equal(await wrapper.code(), 0);
    assert.deepEqual(mountsOn(where.target), []);
  },
);
