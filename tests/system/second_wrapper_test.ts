/** P3: one wrapper a target; a second one is refused and the first one does not feel it. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { mountsOn, place, refusalCode, stopCleanly, systemTest } from "../support/system.ts";

async function answers(address: string): Promise<void> {
  const response = await fetch(`http://${address}/config`);
  await response.body?.cancel();
  assert.equal(response.status, 404);
}

await systemTest(
  [],
  "a second one on the same target is refused with 75 and names the first",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using first = where.serve({ source: disk.path });
    const address = await first.listening();
    await Deno.symlink(where.target, `${where.directory}/link`);
    await Deno.symlink(where.directory, `${where.directory}/up`);
    const mounted = mountsOn(where.target);
    const targets = [where.target, `${where.directory}/link`, `${where.directory}/up/target`];
    for (const target of targets) {
      await using second = where.serve({ source: disk.path, target });
      assert.equal(await second.code(), 75, target);
      await second.errLine(
        new RegExp(
          `Cannot use "${where.target}": another restic-rest-server, process ${first.pid}, serves it`,
        ),
      );
      await answers(address);
    }
    assert.deepEqual(mountsOn(where.target), mounted);
    await stopCleanly(first, where.target);
  },
);

await systemTest(
  [],
  "a second one is refused while the first still waits for its disk",
  async () => {
    await using where = await place();
    const source = `UUID=${crypto.randomUUID()}`;
    await using first = where.serve({ source });
    await first.errLine(/waiting for/);
    await using second = where.serve({ source });
    assert.equal(await second.code(), 75);
    await second.errLine(new RegExp(`process ${first.pid}`));
    first.signal("SIGTERM");
    assert.equal(await first.code(), 0);
  },
);

await systemTest(
  [],
  "four started at once on one target: one serves, three are refused",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using stack = new AsyncDisposableStack();
    const all = Array.from({ length: 4 }, () => stack.use(where.serve({ source: disk.path })));
    const ends = await Promise.all(all.map((wrapper) => refusalCode(wrapper)));
    assert.deepEqual(ends.toSorted(), [75, 75, 75, "it serves"]);
    assert.equal(mountsOn(where.target).length, 1);
  },
);

await systemTest([], "one after the other on one target: both serve", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  for (let round = 0; round < 3; round++) {
    await using wrapper = where.serve({ source: disk.path });
    await answers(await wrapper.listening());
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  }
});

await systemTest([], "two targets, two disks: both serve at the same time", async () => {
  await using first = await loopDisk({ fstype: "ext4" });
  await using second = await loopDisk({ fstype: "ext4" });
  await using here = await place();
  await using there = await place();
  await using one = here.serve({ source: first.path });
  await using two = there.serve({ source: second.path });
  await Promise.all([one, two].map(async (wrapper) => await answers(await wrapper.listening())));
});
