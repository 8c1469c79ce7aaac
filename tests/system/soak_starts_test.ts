/** P3, counted: starts and stops, with everything back to where it began. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { Disk, loopDevices } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { childPids } from "../support/processes.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

/** Names that a directory of /proc or a place on disk holds. */
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).toSorted();

/** What a start and a stop could leave behind, of this process and of its disk. */
async function leftovers(image: string, target: string) {
  return {
    mounts: Deno.readTextFileSync("/proc/self/mountinfo"),
    descriptors: names("/proc/self/fd").length,
    // Zombies, too: nobody but this process could reap them.
    children: childPids(Deno.pid),
    loops: [...(await loopDevices()).values()].filter((file) => file === image),
    locks: names("/run/restic-rest-server").filter((name) =>
      name.startsWith(encodeURIComponent(target))
    ),
  };
}

await systemTest(
  [],
  "P3: starts and stops leave no mount, descriptor, zombie, loop device or lock behind",
  async () => {
    await prove({ name: "starts and stops", ci: 100, soak: 1000 }, async (tally) => {
      const { random } = tally;
      await using disk = await Disk.make({ fstype: "ext4" });
      await using where = await place();
      await Deno.mkdir("/run/restic-rest-server", { recursive: true });
      let before: Awaited<ReturnType<typeof leftovers>> | undefined;
      let left: typeof before;
      for (; tally.done < tally.count; tally.done++) {
        await disk.attach();
        const source = random.pick([disk.path, `UUID=${disk.uuid}`, `LABEL=${disk.label}`]);
        await using wrapper = where.serve({ source });
        const address = await wrapper.listening();
        assert.equal(mountsOn(where.target).length, 1);
        const status = await httpStatus(`http://${address}/?create=true`, { method: "POST" });
        assert.equal(status, 200);
        wrapper.signal(random.pick(["SIGTERM", "SIGINT"]));
        assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
        if (tally.done % 50 === 0) await fsck("ext4", disk);
        await disk.detach();
        // The first round opens what this process itself keeps.
        before ??= await leftovers(disk.image, where.target);
        // Its own HTTP connections are closed a moment later than their server.
        await until(async () => {
          left = await leftovers(disk.image, where.target);
          return isDeepStrictEqual(left, before);
        }, "everything as it was").catch(() => assert.deepEqual(left, before));
      }
    });
  },
);
