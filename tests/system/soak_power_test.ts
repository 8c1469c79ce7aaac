/** P6, counted: what was answered 200 is on the disk after the power went, at any moment of an upload. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { createRepository, damagedBlobs, Load } from "../support/load.ts";
import { isRunning, serverPid } from "../support/processes.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

const MIB = 1024 ** 2;
/** Answered uploads before the power goes, at most. */
const UPLOADS_MAX = 40;
/** Rounds on one disk: it fills up. */
const ROUNDS_A_DISK = 50;

await systemTest(
  ["program:mkfs.xfs"],
  "P6: every blob that was answered 200 is there, complete, after each of many power cuts",
  async () => {
    await prove({ name: "power cuts (EXT4_IOC_SHUTDOWN)", ci: 20, soak: 200 }, async (tally) => {
      const { random } = tally;
      /** Rounds in which a file that nobody synced was lost: else these are no power cuts. */
      let lost = 0;
      while (tally.done < tally.count) {
        await using disk = await loopDisk({ fstype: "ext4", sizeBytes: 256 * MIB });
        await using where = await place();
        const repository = `${where.target}/restic`;
        const all = new Set<string>();
        const options = { source: disk.path, env: { MNT_DATA: "commit=300" } };
        let wrapper = where.serve(options);
        try {
          let address = await wrapper.listening();
          await createRepository(address);
          // Which rest-server answers before they are on the disk.
          await run("sync", "-f", where.target);
          const end = Math.min(tally.count, tally.done + ROUNDS_A_DISK);
          while (tally.done < end) {
            const server = serverPid(wrapper);
            const load = new Load(address, random);
            try {
              await load.reaches(random.below(UPLOADS_MAX) + 1);
              assert.ok(load.underWay > 0, "the power goes while something is being uploaded");
              await Deno.writeTextFile(
                `${where.target}/unsynced-${tally.done}`,
                `round ${tally.done}`,
              );
              await run("xfs_io", "-x", "-c", "shutdown", where.target);
              wrapper.signal("SIGKILL");
            } finally {
              await load[Symbol.asyncDispose]();
            }
            await wrapper.status;
            await until(() => !isRunning(server), `P4: end of rest-server, process ${server}`);

            wrapper = where.serve(options);
            address = await wrapper.listening();
            assert.equal(mountsOn(where.target).length, 1);
            assert.deepEqual(await damagedBlobs(repository, load.answered), [], "answered 200");
            for (const id of load.answered) all.add(id);
            const unsynced = await Deno.readTextFile(`${where.target}/unsynced-${tally.done}`)
              .catch(() => "");
            if (unsynced !== `round ${tally.done}`) lost++;
            tally.done++;
          }
          assert.deepEqual(await damagedBlobs(repository, all), [], "blobs of earlier rounds");
          wrapper.signal("SIGTERM");
          assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
          await fsck("ext4", disk);
        } finally {
          await wrapper[Symbol.asyncDispose]();
        }
      }
      assert.ok(lost > tally.count / 2, `only ${lost} of ${tally.count} power cuts lost anything`);
    });
  },
);
