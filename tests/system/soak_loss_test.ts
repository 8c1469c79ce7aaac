/**
 * P5, P7, counted: a disk that goes away under load is let go, and served again by the same process. A loop
 * device cannot be unplugged: the file system is shut down by ioctl, or the mount taken away by umount -l,
 * in turn. Real USB disks are pulled in the tests of the booted gokrazy.
 */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { createRepository, damagedBlobs, Load } from "../support/load.ts";
import { isRunning, serverPid } from "../support/processes.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";

const UPLOADS_MAX = 30;

const PULLS = [
  {
    pull: (target: string) => run("xfs_io", "-x", "-c", "shutdown", target),
    why: /is lost: its file system was shut down|is lost: it cannot be read/,
  },
  {
    pull: (target: string) => run("umount", "-l", target),
    why: /is lost: somebody else unmounted it/,
  },
];

await systemTest(
  ["program:mkfs.xfs"],
  "P5, P7: a disk that is lost under load is served again, whole, by the same process each time",
  async () => {
    await prove({ name: "disk lost under load", ci: 10, soak: 100 }, async (tally) => {
      const { random } = tally;
      for (; tally.done < tally.count; tally.done++) {
        const { pull, why } = PULLS[tally.done % PULLS.length]!;
        await using disk = await loopDisk({ fstype: "ext4" });
        await using where = await place();
        const repository = `${where.target}/restic`;
        await using wrapper = where.serve({ source: disk.path, env: { MNT_WATCH: "0.2" } });
        const address = await wrapper.listening();
        await createRepository(address);
        await run("sync", "-f", where.target);
        const server = serverPid(wrapper);
        const seen = wrapper.errLines.length;
        const load = new Load(address, random);
        try {
          await load.reaches(random.below(UPLOADS_MAX) + 1);
          await pull(where.target);
          await wrapper.errLine(why, seen);
          await wrapper.errLine(/rest-server has ended/, seen);
        } finally {
          await load[Symbol.asyncDispose]();
        }
        assert.equal(isRunning(server), false, "the rest-server of the lost disk");
        const again = (await wrapper.errLine(/^start server on (.*)$/, seen))[1]!;
        assert.equal(mountsOn(where.target).length, 1);
        assert.deepEqual(await damagedBlobs(repository, load.answered), [], "answered 200");
        {
          await using more = new Load(again, random);
          await more.reaches(1);
        }
        await stopCleanly(wrapper, where.target);
        await fsck("ext4", disk);
      }
    });
  },
);
