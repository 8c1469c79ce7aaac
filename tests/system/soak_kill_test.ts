/** P3, P4, counted: the wrapper is killed at random moments of a real backup. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { isRunning, serverPid } from "../support/processes.ts";
import { changeSource, firstBackup, restic, startBackup } from "../support/restic.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

const MIB = 1024 ** 2;
/** Of what a backup takes on this machine: kills fall into it, and sometimes behind it. */
const SPAN = 1.25;

await systemTest(
  [],
  "P3, P4: SIGKILL at any moment of a backup leaves no orphan and no second mount, and it goes on",
  async () => {
    await prove({ name: "SIGKILL during a backup", ci: 50, soak: 500 }, async (tally) => {
      const { random } = tally;
      await using disk = await loopDisk({ fstype: "ext4", sizeBytes: 1024 * MIB });
      await using where = await place();
      const source = `${where.directory}/source`;
      let wrapper = where.serve({ source: disk.path });
      /** Backups that the kill came into. */
      let cut = 0;
      try {
        let address = await wrapper.listening();
        const backupMs = await firstBackup(address, source, random);
        for (; tally.done < tally.count; tally.done++) {
          await changeSource(source, random);
          const server = serverPid(wrapper);
          const backup = await startBackup(address, source);
          let ended: boolean | undefined;
          const status = backup.status.then(({ success }) => ended = success);
          const momentMs = performance.now() + random.below(backupMs * SPAN);
          await until(() => performance.now() >= momentMs, "the moment of the kill");
          wrapper.signal("SIGKILL");
          // It would try again for a quarter of an hour.
          if (isRunning(backup.pid)) {
            cut++;
            Deno.kill(backup.pid, "SIGKILL");
          } else if (ended !== undefined) {
            assert.ok(ended, "a backup failed before anything was killed");
          }
          await Promise.all([wrapper.status, status]);
          await until(() => !isRunning(server), `P4: end of rest-server, process ${server}`);
          assert.ok(mountsOn(where.target).length <= 1, "P3: stacked");

          wrapper = where.serve({ source: disk.path });
          address = await wrapper.listening();
          assert.equal(mountsOn(where.target).length, 1, "P3: mounts after the next start");
        }
        assert.ok(cut > 0, "no kill came into a backup");
        await restic(address, "unlock", "--remove-all");
        await restic(address, "backup", source);
        await restic(address, "check", "--read-data");
        await restic(address, "restore", "latest", "--target", `${where.directory}/restored`);
        for (const { name } of Deno.readDirSync(source)) {
          const restored = await Deno.readFile(`${where.directory}/restored${source}/${name}`);
          assert.deepEqual(restored, await Deno.readFile(`${source}/${name}`));
        }
        await stopCleanly(wrapper, where.target);
        await fsck("ext4", disk);
      } finally {
        await wrapper[Symbol.asyncDispose]();
      }
    });
  },
);
