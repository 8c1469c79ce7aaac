/**
 * P7, counted in minutes: backups, restores and prunes, with the program's memory and descriptors looked at
 * after each. Only `deno task soak` has the time for it.
 */
import assert from "node:assert/strict";
import { V8_FLAGS } from "../../dist/tasks/compile.ts";
import { runAloud } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { restic } from "../support/restic.ts";
import { type Look, memoryGrowth, minOf } from "../support/growth.ts";
import { prove, rounds, type Tally } from "../support/soak.ts";
import { fsck, place, stopCleanly, systemTest } from "../support/system.ts";
import type { Wrapper } from "../support/wrapper.ts";

const NAME = "backups, restores and prunes, minutes";
const MINUTES = 150;
/** Caches fill and the heap settles before anything is compared; a short run has less time for it. */
const SETTLED_MINUTES = 20;
const SETTLED_PART = 1 / 3;
const GROWTH_MAX_KIB_PER_HOUR = 1024;
/** Idle times are part of it: probes and the release of memory run in them. */
const PAUSE_MS = 5000;
const FILES = 20;
const FILE_BYTES_MAX = 400_000;
const SNAPSHOTS_KEPT = 5;

/** Memory and descriptors of a process; `minutes` since `startMs`. */
function look(pid: number, startMs: number): Look {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return {
    minutes: (performance.now() - startMs) / 60_000,
    residentKib: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]),
    descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
  };
}

/** One backup of what has changed, a restore of it that is compared, and what is too old pruned away. */
async function round(address: string, directory: string, { random }: Tally): Promise<void> {
  const source = `${directory}/source`;
  await Deno.mkdir(source, { recursive: true });
  for (let i = 0; i < FILES / 4; i++) {
    const bytes = random.bytes(random.below(FILE_BYTES_MAX));
    await Deno.writeFile(`${source}/${random.below(FILES)}`, bytes);
  }
  await restic(address, "backup", source);
  const restored = `${directory}/restored`;
  await restic(address, "restore", "latest", "--target", restored);
  await runAloud("diff", "--recursive", source, `${restored}${source}`);
  await Deno.remove(restored, { recursive: true });
  await restic(address, "forget", "--keep-last", String(SNAPSHOTS_KEPT), "--prune");
}

/** Rounds until the minutes are over. */
async function keepBusy(wrapper: Wrapper, directory: string, tally: Tally): Promise<Look[]> {
  const address = await wrapper.listening();
  await restic(address, "init");
  const startMs = performance.now();
  const looks: Look[] = [];
  while (tally.done < tally.count) {
    await round(address, directory, tally);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    looks.push(look(wrapper.pid, startMs));
    tally.done = Math.min(tally.count, Math.floor(looks.at(-1)!.minutes));
  }
  await restic(address, "check", "--read-data");
  return looks;
}

if (rounds(0, MINUTES) === 0) {
  const name = `P7: ${NAME} [ignored: ${MINUTES} minutes, in deno task soak alone]`;
  Deno.test({ name, ignore: true, fn: () => {} });
} else {
  await systemTest([], `P7: ${NAME}: memory and descriptors do not grow`, async () => {
    await prove({ name: NAME, ci: 0, soak: MINUTES }, async (tally) => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      // As it is installed.
      const env = { DENO_V8_FLAGS: V8_FLAGS };
      await using wrapper = where.serve({ source: disk.path, env });
      const looks = await keepBusy(wrapper, where.directory, tally);
      const settledMinutes = Math.min(SETTLED_MINUTES, tally.count * SETTLED_PART);
      const settled = looks.filter(({ minutes }) => minutes >= settledMinutes);
      const growth = memoryGrowth(settled);
      const middle = settled.length / 2;
      const [first, last] = [settled.slice(0, middle), settled.slice(middle)];
      const descriptors = [minOf(first, "descriptors"), minOf(last, "descriptors")];
      tally.measured = `${looks.length} rounds, resident ${growth.toFixed(0)} KiB an hour at ` +
        `${minOf(last, "residentKib")} KiB, ${descriptors.join(" and ")} descriptors`;
      await stopCleanly(wrapper, where.target);
      await fsck("ext4", disk);
      assert(growth < GROWTH_MAX_KIB_PER_HOUR, tally.measured);
      assert.equal(descriptors[0], descriptors[1], tally.measured);
    });
  });
}
