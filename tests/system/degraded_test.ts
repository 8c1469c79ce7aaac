/** P7: a mirror of two disks of which one does not come, where `degraded` allows to go on without it. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { btrfsPair } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import { LIMIT_MS, until } from "../support/wait.ts";

/** How long the other members are awaited. */
const AWAITED_MS = 60_000;

const UNEQUAL = /warning: members of the btrfs are not of the same generation \(/;

await systemTest(
  ["program:mkfs.btrfs"],
  "degraded: a mirror waits 60 s for its other disk and serves without it; a scrub is asked for once it is back",
  async () => {
    await using pair = await btrfsPair("--data", "raid1", "--metadata", "raid1");
    const [there, away] = pair.members;
    await using where = await place();
    const start = { source: `UUID=${there.uuid}`, env: { MNT_OPTIONS: "degraded" } };
    const body = "written while one disk was away";
    await there.attach();
    {
      const startMs = performance.now();
      await using wrapper = where.serve(start);
      const path = there.path;
      await wrapper.errLine(
        new RegExp(`waiting for .*: btrfs ${there.uuid}: 1 of 2 members \\(${path}\\)`),
      );
      assert.deepEqual(mountsOn(where.target), []);
      const without = `going on degraded with 1 of 2 members: ${path}`;
      const isSaid = () => wrapper.errLines.some((line) => line.endsWith(without));
      await until(isSaid, `the line "${without}"`, AWAITED_MS + LIMIT_MS);
      const waitedMs = performance.now() - startMs;
      assert.ok(waitedMs >= AWAITED_MS, `it waited no more than ${waitedMs} ms`);
      const url = `http://${await wrapper.listening()}`;
      assert.equal(mountsOn(where.target).length, 1);
      assert.equal(await httpStatus(`${url}/?create=true`, { method: "POST" }), 200);
      assert.equal(await httpStatus(`${url}/config`, { method: "POST", body }), 200);
      await stopCleanly(wrapper, where.target);
    }
    await away.attach();
    {
      await using wrapper = where.serve(start);
      const url = `http://${await wrapper.listening()}`;
      const said = await wrapper.errLine(UNEQUAL);
      const advice = `run "btrfs scrub start ${where.target}" once it is mounted`;
      assert.ok(said.input.endsWith(advice), said.input);
      assert.ok(
        !wrapper.errLines.some((line) => /going on degraded/.test(line)),
        "it has both members",
      );
      assert.equal(await (await fetch(`${url}/config`)).text(), body);
      // The advice, in the foreground; it fails where it finds what it cannot mend, and keeps a record.
      await run("btrfs", "scrub", "start", "-B", where.target)
        .finally(() => Deno.remove(`/var/lib/btrfs/scrub.status.${there.uuid}`).catch(() => {}));
      await stopCleanly(wrapper, where.target);
    }
    await using wrapper = where.serve(start);
    await wrapper.listening();
    assert.ok(!wrapper.errLines.some((line) => UNEQUAL.test(line)), "it asks for a scrub again");
    await stopCleanly(wrapper, where.target);
  },
);
