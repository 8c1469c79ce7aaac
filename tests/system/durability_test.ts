/** P6: what was answered 200 is on the disk, complete, whenever the power goes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { restic } from "../support/restic.ts";
import { type Place, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

/** No journal of its own accord within the test: what is on the disk was put there by a sync. */
const NO_COMMIT = "commit=300";

/**
 * What a file of the disk would hold if the power went now: read from a copy of what has reached the
 * device, after the journal was played back. `null`: it would not be there.
 */
async function afterPowerCut(where: Place, disk: Disk, path: string): Promise<string | null> {
  const copy = `${where.directory}/copy.img`;
  const directory = `${where.directory}/copy`;
  await run("cp", "--sparse=always", disk.image, copy);
  await Deno.mkdir(directory, { recursive: true });
  await run("mount", "-o", "loop", copy, directory);
  try {
    return await Deno.readTextFile(`${directory}/${path}`).catch(() => null);
  } finally {
    await run("umount", directory);
  }
}

await systemTest([], "P6: a blob that was answered 200 survives a power cut at once", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, env: { MNT_DATA: NO_COMMIT } });
  const url = `http://${await wrapper.listening()}`;
  assert.equal(await httpStatus(`${url}/?create=true`, { method: "POST" }), 200);
  for (let size = 1; size <= 10_000; size *= 10) {
    const body = "x".repeat(size);
    const id = createHash("sha256").update(body).digest("hex");
    assert.equal(await httpStatus(`${url}/data/${id}`, { method: "POST", body }), 200);
    assert.equal(
      await afterPowerCut(where, disk, `restic/data/${id.slice(0, 2)}/${id}`),
      body,
    );
  }
});

await systemTest(
  [],
  "P6: config, which rest-server does not sync, is on the disk within 30 s",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using unserved = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using beside = await place();
    await Deno.mkdir(beside.target);
    await run("mount", "-o", NO_COMMIT, unserved.path, beside.target);

    await using wrapper = where.serve({ source: disk.path, env: { MNT_DATA: NO_COMMIT } });
    const address = await wrapper.listening();
    await restic(address, "init");
    await Deno.writeTextFile(`${beside.target}/config`, "not synced");
    const config = await (await fetch(`http://${address}/config`)).text();
    assert.ok(config.length > 100);

    await until(
      async () => await afterPowerCut(where, disk, "restic/config") === config,
      "config is on the disk",
      45_000,
    );
    // What the kernel did by itself meanwhile, it did here, too.
    assert.equal(
      await afterPowerCut(beside, unserved, "config"),
      null,
      "a file that nobody synced is on a disk: did somebody call sync(2)?",
    );
  },
);

await systemTest([], "P6: config survives a power cut right after the stop", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, env: { MNT_DATA: NO_COMMIT } });
  const url = `http://${await wrapper.listening()}`;
  await httpStatus(`${url}/?create=true`, { method: "POST" });
  assert.equal(await httpStatus(`${url}/config`, { method: "POST", body: "configured" }), 200);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  assert.equal(await afterPowerCut(where, disk, "restic/config"), "configured");
});
