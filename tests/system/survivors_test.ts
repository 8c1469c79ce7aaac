/** P2, P3: a script as rest-server that does not end with exec: the shell ends, and the real one is left behind. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { childPids, isRunning } from "../support/processes.ts";
import { mountsOn, type Place, place, realTools, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Serves by a script that runs rest-server as a child of its own. */
async function serveByScript(where: Place, source: string): Promise<[Wrapper, number]> {
  const { "rest-server": program } = await realTools();
  const script = `${where.directory}/script`;
  await Deno.writeTextFile(script, `#!/bin/sh\n${program} "$@"\n:\n`, { mode: 0o755 });
  const wrapper = where.serve({ source, env: { MNT_SERVER: script } });
  await wrapper.listening();
  const [shell] = childPids(wrapper.pid);
  return [wrapper, childPids(shell!)[0]!];
}

await systemTest([], "P2: what a script has left behind is ended before the unmount", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const [started, server] = await serveByScript(where, disk.path);
  await using wrapper = started;
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  const said = wrapper.errLines.join("\n");
  assert.match(
    said,
    new RegExp(
      `rest-server has left process ${server} \\("rest-server"\\) behind: ended it[^]*unmounted`,
    ),
  );
  assert.ok(!isRunning(server), said);
  assert.deepEqual(mountsOn(where.target), []);
});

await systemTest(
  [],
  "P9: what it left after a SIGKILL is named to whoever comes next",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const [started, server] = await serveByScript(where, disk.path);
    await using killed = started;
    try {
      killed.signal("SIGKILL");
      await until(() => !isRunning(killed.pid), "the end of the program");
      await using next = where.serve({ source: disk.path });
      await next.errLine(
        new RegExp(
          `Cannot use ".*": process ${server} \\("rest-server"\\) holds ".*\\.lock"; stop`,
        ),
      );
      assert.equal(await next.code(), 75);
    } finally {
      Deno.kill(server, "SIGKILL");
      await until(() => !isRunning(server), "the end of what the test left");
    }
    await using last = where.serve({ source: disk.path });
    await last.listening();
    last.signal("SIGTERM");
    assert.equal(await last.code(), 0);
  },
);
