/**
 * Counted: whatever happens to the program, its disk and its mount during a backup, nothing is written outside
 * the disk. The program and rest-server run in a fake root, where every such write is found.
 */
import assert from "node:assert/strict";
import { shutDown } from "../support/causes.ts";
import { type Allowed, outside } from "../support/changes.ts";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { DENO_DIRECTORY, FakeRoot } from "../support/fake_root.ts";
import { isRunning, serverPid } from "../support/processes.ts";
import { changeSource, firstBackup, restic, startBackup } from "../support/restic.ts";
import { prove, type Random } from "../support/soak.ts";
import { fsck, mountsOn, place, stopCleanly, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

const MIB = 1024 ** 2;
const RUN = "/run/restic-rest-server";

/** All that may be found outside the disk of a target. */
function allowed(target: string): Allowed[] {
  const name = `${RUN}/${encodeURIComponent(target)}`;
  const why = "what `status` reads, and a later run";
  return [
    { path: target, what: "a new directory", why: "the mount point, with nothing in it" },
    { path: RUN, why: "the directory of lock and status files" },
    { path: `${name}.lock`, why: "who serves the target, and which mount is ours" },
    { path: `${name}.status`, why },
    { path: `${name}.status.new`, why: `${why}: in the moment before it is renamed` },
    { path: DENO_DIRECTORY, below: true, why: "Deno's own cache, where the units put it" },
  ];
}

/** What a happening is given. */
interface Scene {
  readonly wrapper: Wrapper;
  readonly disk: Disk;
  readonly random: Random;
  /** Where this process finds what is mounted on the target. */
  readonly mount: string;
}

/** Each ends the serving; whether another wrapper is needed to go on. */
const HAPPENINGS: readonly ((scene: Scene) => Promise<"start again" | "goes on">)[] = [
  async function wrapperKilled({ wrapper }) {
    const server = serverPid(wrapper);
    wrapper.signal("SIGKILL");
    await wrapper.status;
    await until(() => !isRunning(server), `P4: end of rest-server, process ${server}`);
    return "start again";
  },
  async function powerCut(scene) {
    await shutDown(scene.mount);
    return await HAPPENINGS[0]!(scene);
  },
  async function diskShutDown({ mount }) {
    await shutDown(mount);
    return "goes on";
  },
  async function diskPulled({ disk, mount }) {
    await shutDown(mount);
    // The device goes as soon as the program has let go of the mount.
    await disk.detach();
    await disk.attach();
    return "goes on";
  },
  async function stopped({ wrapper, random, mount }) {
    wrapper.signal(random.pick(["SIGTERM", "SIGINT"]));
    assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
    assert.deepEqual(mountsOn(mount), []);
    return "start again";
  },
  async function unmounted({ mount }) {
    await run("umount", "-l", mount);
    return "goes on";
  },
];

await systemTest(
  ["overlayfs", "program:xfs_io"],
  "P5: not one byte is written outside the disk, whatever ends a backup",
  async () => {
    await prove({ name: "bytes outside the disk", ci: 6, soak: 60 }, async (tally) => {
      const { random } = tally;
      await using disk = await loopDisk({ fstype: "ext4", sizeBytes: 512 * MIB });
      await using where = await place();
      await using root = await FakeRoot.make();
      const source = `${where.directory}/source`;
      const mount = root.at(where.target);
      const serve = () =>
        where.serve({
          source: `UUID=${disk.uuid}`,
          prefix: root.prefix(where.directory),
          env: { MNT_WATCH: "0.2" },
        });
      let looks = 0;
      const lookOutside = async () => {
        const found = outside(await root.changes(), allowed(where.target));
        const bytes = found.reduce((sum, { bytes }) => sum + bytes, 0);
        looks++;
        tally.measured = `${bytes} bytes in ${looks} looks`;
        assert.deepEqual(found, [], `${bytes} bytes outside the disk: ${found[0]?.path}, ...`);
      };
      let wrapper = serve();
      try {
        let address = await wrapper.listening();
        const backupMs = await firstBackup(address, source, random);
        // The power may go before rest-server's `config` is on the disk.
        await run("sync", "-f", mount);
        for (; tally.done < tally.count; tally.done++) {
          await changeSource(source, random);
          const seen = wrapper.errLines.length;
          const backup = await startBackup(address, source);
          const momentMs = performance.now() + random.below(backupMs);
          await until(() => performance.now() >= momentMs, "the moment");
          const happen = HAPPENINGS[tally.done % HAPPENINGS.length]!;
          const next = await happen({ wrapper, disk, random, mount });
          await lookOutside();
          if (next === "start again") {
            wrapper = serve();
            address = await wrapper.listening();
          } else {
            await wrapper.errLine(/ is lost: .*; stopping rest-server/, seen);
            address = (await wrapper.errLine(/^start server on (.*)$/, seen))[1]!;
          }
          // It would try again for a quarter of an hour.
          if (isRunning(backup.pid)) Deno.kill(backup.pid, "SIGKILL");
          await backup.status;
          assert.equal(mountsOn(mount).length, 1, happen.name);
          await restic(address, "backup", source);
          await lookOutside();
        }
        await restic(address, "unlock", "--remove-all");
        await restic(address, "check", "--read-data");
        await stopCleanly(wrapper, mount);
        await lookOutside();
        await fsck("ext4", disk);
      } finally {
        await wrapper[Symbol.asyncDispose]();
      }
    });
  },
);
