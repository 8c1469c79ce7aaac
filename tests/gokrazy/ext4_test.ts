/**
 * One boot on kernel.arm64 with an ext4 disk: checked, late, used, restarted, stopped, pulled with a clock that
 * is years off, forgotten by the kernel and pulled during a backup, and switched off during one. The smoke test
 * is this file with one round in place of five.
 *
 * @module
 */
import assert from "node:assert/strict";
import { httpStatus } from "../support/http.ts";
import { restic, resticRoundTrip } from "../support/restic.ts";
import { prove, rounds } from "../support/soak.ts";
import { until } from "../support/wait.ts";
import {
  checkFiles,
  listens,
  mountCount,
  serverPid,
  servesAgain,
  startBackup,
  untilInGuest,
  untilUptime,
  writeRandom,
} from "./support/backup.ts";
import { GuestClock } from "./support/clock.ts";
import { copyOut, fsck, type GuestDisk, makeDisk } from "./support/disks.ts";
import { rootDigest } from "./support/image.ts";
import { permFiles } from "./support/perm.ts";
import { ARM64, BACKUP, CHECKED, EXT4 } from "./support/services.ts";
import { Session } from "./support/session.ts";

const SERVICE = BACKUP.name;
const TARGET = "/perm/backup";
/** Restarts and stops. */
const ROUNDS = Number(Deno.env.get("GOKRAZY_ROUNDS") ?? 5);
const PULLS = {
  name: "USB disk of a booted gokrazy pulled during an upload",
  ci: ROUNDS,
  soak: 100,
};
const PULL_ROUNDS = rounds(PULLS.ci, PULLS.soak);
/** How long the disk is late, and how soon it is served, by the guest's clock. */
const LATE_SECONDS = 20;
const SERVED_SECONDS = 5;
/** How soon rest-server is stopped after its disk was pulled out, and serves when it is back. */
const STOPPED_SECONDS = 5;
const BACK_SECONDS = 15;
/** By then it has looked once more: for its disk each second, at the disk that it serves each 2 s. */
const LOOK_SECONDS = 3;
/** Having served for so long, a disk is not one that comes and goes. */
const STEADY_SECONDS = 11;
/** A file of somebody else's on /perm, made before the disk is first there, and how it is listed. */
const NEIGHBOUR = {
  script: "mkdir /perm/neighbour; echo kept >/perm/neighbour/file",
  lines: [
    "neighbour/",
    "neighbour/file 5 78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b",
  ],
};
/** What is written to /perm in these tests by others than the program. */
const WRITTEN_BY_GOKRAZY = {
  "init: what its symlink /var leads to": /^var\/(run -> \/run)?$/,
  "init: a home for each service that it starts, and those in it": /^home\/([^/]+\/)?$/,
  "ntp: the time, for the next boot": /^home\/ntp\/ntp-time-at-last-shutdown \d+ /,
  "randomd: a seed for the next boot": /^random\.seed \d+ /,
};

const session = new Session(ARM64, { ports: [EXT4.port] });
let disk: GuestDisk;
/** What was booted, as it was built: the cached image can be another one by the end, of another run. */
let built: { readonly root: string; readonly perm: readonly string[] };

/** Takes the disk away while a backup is uploaded; gives how long rest-server went on, in guest time. */
async function loseDuringUpload(takeAway: () => Promise<unknown>): Promise<number> {
  const { machine } = session;
  const source = `${await session.directory()}/upload`;
  if (await Deno.stat(source).catch(() => null) === null) await writeRandom(source, 60);
  const unfinished = `find ${TARGET}/restic/data -name '*.rest-server-temp*'`;
  // What an earlier one left says nothing of this one; rest-server removes some of it in this moment.
  await machine.sh(`${unfinished} -exec rm -f {} + || :`);
  let stopped: number;
  {
    await using _backup = await startBackup(machine.address(EXT4.port), source, 512);
    await untilInGuest(machine, `${unfinished} | grep -q .`);
    const takenSeconds = await machine.uptimeSeconds();
    await takeAway();
    stopped = await untilInGuest(machine, `! ${listens(EXT4.port)}`) - takenSeconds;
  }
  await untilInGuest(machine, `! grep -q ' ${TARGET} ' /proc/mounts`);
  assert.equal(await machine.sh(`ls -A ${TARGET}`), "", "written below the mountpoint");
  return stopped;
}

await session.scenario(
  "gokrazy boots on kernel.arm64 and shows its web interface",
  1800,
  async () => {
    const machine = await session.boot();
    const { path } = session.image;
    built = { root: await rootDigest(path), perm: await permFiles(path) };
    disk = await makeDisk(await session.directory(), "ext4", "ext4", EXT4.identity, 256);
    assert.equal((await machine.web.status(SERVICE)).Stopped, false);
    await machine.sh(NEIGHBOUR.script);
  },
);

// Before the late disk: its time passes meanwhile.
await session.scenario(
  "MNT_CHECK=1: the report is in the log, nothing is mounted, and 125 ends supervision",
  120,
  async () => {
    const { machine } = session;
    const directory = await session.directory();
    const checked = await makeDisk(directory, "checked", "ext4", CHECKED.identity, 8);
    await machine.plug(checked);
    await untilInGuest(machine, "[ -b /dev/sda ]");
    await machine.web.press("restart", "checked");
    const lines = await machine.web.log("checked", /exit status 125/);
    const report = lines.join("\n");
    for (
      const line of [
        // The first line of the log: gokrazy keeps 100.
        /gokrazy: attempt \d+, starting/,
        /: MNT_CHECK=1 \(environment\)$/m,
        /: sandbox: Landlock version \d+: rest-server may write only /m,
        /: mount: command: mount -t ext4 -o \S+ \/dev\/sda \/perm\/checked$/m,
        /: fine: nothing must be changed \(0 errors/m,
        /should not be supervised, stopping/,
      ]
    ) assert.match(report, line);
    const status = () => machine.web.status("checked");
    await until(async () => (await status()).Stopped, "supervision to end");
    const { Pid } = await status();
    // gokrazy would start it again after 1 s: that it does not can only be seen by waiting longer.
    await untilUptime(machine, await machine.uptimeSeconds() + 4);
    assert.deepEqual(await status(), { ...await status(), Stopped: true, Pid });
    assert.equal(await machine.sh("grep -c ^/dev/sda /proc/mounts || true"), "0");
    await machine.sh(`! [ -e /perm/checked ] && ! ${listens(CHECKED.port)}`);

    await machine.pull(checked);
    await untilInGuest(machine, "! [ -b /dev/sda ]");
  },
);

await session.scenario(
  `a disk plugged in ${LATE_SECONDS} s late is served within ${SERVED_SECONDS} s of guest time`,
  300,
  async () => {
    const { machine } = session;
    const waiting = new RegExp(`\\+(\\d+)s .*waiting for UUID=${EXT4.identity.uuid}`);
    const lines = await machine.web.log(SERVICE, waiting);
    await untilUptime(machine, Number(waiting.exec(lines.at(-1)!)![1]) + LATE_SECONDS);
    assert.equal(await mountCount(machine, TARGET), 0);

    const pluggedSeconds = await machine.uptimeSeconds();
    await machine.plug(disk);
    const seconds = await untilInGuest(machine, listens(EXT4.port)) - pluggedSeconds;
    console.log(`gokrazy: served ${seconds.toFixed(2)} s after the disk was plugged in`);
    await machine.web.log(SERVICE, /mounted .*\/perm\/backup/);
    assert.equal(await mountCount(machine, TARGET), 1);
    assert(seconds <= SERVED_SECONDS, `served only after ${seconds} s`);
  },
);

await session.scenario(
  "restic inits, backs up, checks and restores on ext4 by UUID",
  600,
  async () => {
    const directory = `${await session.directory()}/round-trip`;
    await resticRoundTrip(session.machine.address(EXT4.port), directory);
  },
);

await session.scenario(
  "rest-server is in its sandbox: a symlink on the disk leads it nowhere else",
  60,
  async () => {
    const { machine } = session;
    const server = await serverPid(machine);
    assert.match(await machine.sh(`grep ^NoNewPrivs: /proc/${server}/status`), /:\s+1$/);
    const lines = await machine.web.log(SERVICE, /start server on/);
    assert.doesNotMatch(lines.join("\n"), /Landlock|sandbox/);

    const repository = (link: string) =>
      `http://${machine.address(EXT4.port)}/${link}/?create=true`;
    const create = (link: string) => httpStatus(repository(link), { method: "POST" });
    await machine.sh(`mkdir /perm/outside ${TARGET}/inside
      ln -s /perm/outside ${TARGET}/restic/outside
      ln -s ${TARGET}/inside ${TARGET}/restic/inside`);
    assert.equal(await create("outside"), 500);
    assert.equal(await machine.sh("ls -A /perm/outside"), "");
    // The same, with the disk behind the symlink: that is what made the difference.
    assert.equal(await create("inside"), 200);
    assert.match(await machine.sh(`ls -A ${TARGET}/inside`), /^data$/m);
    await machine.sh(`cd ${TARGET}; rm -r inside restic/inside restic/outside
      rmdir /perm/outside`);
  },
);

await session.scenario(
  `Restart comes back with one mount, ${ROUNDS} times`,
  60 * ROUNDS,
  async () => {
    const { machine } = session;
    for (let round = 0; round < ROUNDS; round++) {
      const { Pid } = await machine.web.status(SERVICE);
      await machine.web.press("restart", SERVICE);
      await servesAgain(machine, SERVICE, Pid, EXT4.port);
      assert.equal(await mountCount(machine, TARGET), 1);
      assert.match(await restic(machine.address(EXT4.port), "snapshots"), /1 snapshots/);
    }
  },
);

await session.scenario(
  `Stop stays stopped and unmounted, ${ROUNDS} times`,
  60 * ROUNDS,
  async () => {
    const { machine } = session;
    for (let round = 0; round < ROUNDS; round++) {
      const { Pid } = await machine.web.status(SERVICE);
      await machine.web.press("stop", SERVICE);
      const stopped = await untilInGuest(machine, `! [ -e /proc/${Pid} ]`);
      assert.equal(await mountCount(machine, TARGET), 0);
      // gokrazy would start it again after 1 s: that it does not can only be seen by waiting longer.
      await untilUptime(machine, stopped + 4);
      assert.deepEqual(await machine.web.status(SERVICE), {
        ...await machine.web.status(SERVICE),
        Stopped: true,
        Pid,
      });
      assert.equal(await mountCount(machine, TARGET), 0);
      assert.equal(await machine.sh(`ls -A ${TARGET}`), "", "written below the mountpoint");
      await machine.web.press("restart", SERVICE);
      await servesAgain(machine, SERVICE, Pid, EXT4.port);
    }
  },
);

await session.scenario(
  "the clock set forward and back by years: served on, a pull is noticed, and the disk served again",
  300,
  async () => {
    const { machine } = session;
    const service = await machine.web.status(SERVICE);
    const server = await serverPid(machine);
    await using clock = await GuestClock.of(machine);
    const servesOn = async () => {
      assert.equal(await serverPid(machine), server, "another rest-server");
      assert.equal(await httpStatus(`http://${machine.address(EXT4.port)}/config`), 200);
    };
    const look = async () => untilUptime(machine, await machine.uptimeSeconds() + LOOK_SECONDS);
    const forward = await clock.jump(10);
    await look();
    await servesOn();
    const back = await clock.jump(-20);
    await servesOn();

    const pulledSeconds = await machine.uptimeSeconds();
    await machine.pull(disk);
    const stopped = await untilInGuest(machine, `! ${listens(EXT4.port)}`) - pulledSeconds;
    assert(stopped <= STOPPED_SECONDS, `stopped only after ${stopped} s`);
    await machine.web.log(SERVICE, new RegExp(`^${back}-.* waiting for UUID=`));

    const forwardAgain = await clock.jump(15);
    await look();
    const backAgain = await clock.jump(-30);
    const pluggedSeconds = await machine.uptimeSeconds();
    await machine.plug(disk);
    const served = await untilInGuest(machine, listens(EXT4.port)) - pluggedSeconds;
    console.log(
      `gokrazy: after the clock was set, stopped ${stopped.toFixed(2)} s after the pull, ` +
        `served ${served.toFixed(2)} s after it was back`,
    );
    assert(served <= BACK_SECONDS, `served only after ${served} s`);
    const lines = await machine.web.log(SERVICE, new RegExp(`^${backAgain}-.* serving "`));
    const years = new RegExp(`^(${forward}|${back}|${forwardAgain}|${backAgain})-`);
    // How often it says what it waits for depends on what it sees come.
    const steps = lines.filter((line) => years.test(line) && !line.includes(" waiting for "));
    const expected = [
      ...[" is lost: ", " rest-server has ended", " detached "].map((text) => [back, text]),
      ...[" mounted ", " was not unmounted cleanly", " serving "].map((text) => [backAgain, text]),
    ];
    const said = expected.map(([year, text]) => new RegExp(`^${year}-.*${text}`));
    assert.equal(steps.length, said.length, steps.join("\n"));
    for (const [i, line] of steps.entries()) assert.match(line, said[i]!);
    assert.deepEqual(await machine.web.status(SERVICE), service, "another process");
  },
);

await session.scenario(
  "a disk that the kernel is told to forget during an upload is let go, and served when it is plugged in again",
  180,
  async () => {
    const { machine } = session;
    const { Pid } = await machine.web.status(SERVICE);
    const name = await machine.sh(`sed -n 's|^/dev/\\(.*\\) ${TARGET} .*|\\1|p' /proc/mounts`);
    const stopped = await loseDuringUpload(() =>
      machine.sh(`echo 1 >/sys/block/${name}/device/delete`)
    );
    await machine.sh(`! [ -e /sys/block/${name} ]`);
    await machine.pull(disk);
    const pluggedSeconds = await machine.uptimeSeconds();
    await machine.plug(disk);
    const served = await untilInGuest(machine, listens(EXT4.port)) - pluggedSeconds;
    assert.equal(await mountCount(machine, TARGET), 1);
    assert.equal((await machine.web.status(SERVICE)).Pid, Pid, "another process");
    assert(stopped <= STOPPED_SECONDS, `stopped only after ${stopped} s`);
    assert(served <= BACK_SECONDS, `served only after ${served} s`);
  },
);

await session.scenario(
  `a disk pulled out during an upload comes back under another name, ${PULL_ROUNDS} times`,
  180 * PULL_ROUNDS,
  async () => {
    const { machine } = session;
    const directory = await session.directory();
    const { Pid } = await machine.web.status(SERVICE);
    // It takes the name that the disk had.
    const decoy = await makeDisk(directory, "decoy", "blank", {}, 1);
    const address = machine.address(EXT4.port);
    await prove(PULLS, async (tally) => {
      const times = { stopped: 0, served: 0 };
      let back = await machine.uptimeSeconds();
      for (; tally.done < tally.count; tally.done++) {
        // A disk that is lost within 10 s each time is served again with growing pauses.
        await untilUptime(machine, back + STEADY_SECONDS);
        const stopped = await loseDuringUpload(() => machine.pull(disk));
        await machine.plug(decoy);
        await untilInGuest(machine, "[ -b /dev/sda ]");
        const pluggedSeconds = await machine.uptimeSeconds();
        await machine.plug(disk);
        back = await untilInGuest(machine, listens(EXT4.port));
        const served = back - pluggedSeconds;
        console.log(
          `gokrazy: stopped ${stopped.toFixed(2)} s after the pull, ` +
            `served ${served.toFixed(2)} s after it was back`,
        );
        times.stopped = Math.max(times.stopped, stopped);
        times.served = Math.max(times.served, served);
        tally.measured = `in guest time stopped at most ${times.stopped.toFixed(1)} s after the ` +
          `pull, served at most ${times.served.toFixed(1)} s after the return`;
        assert.match(await machine.sh(`grep ' ${TARGET} ' /proc/mounts`), /^\/dev\/sdb .*$/);
        assert.equal((await machine.web.status(SERVICE)).Pid, Pid, "another process");
        assert(stopped <= STOPPED_SECONDS, `stopped only after ${stopped} s`);
        assert(served <= BACK_SECONDS, `served only after ${served} s`);
        await machine.pull(decoy);
        // What the backups that were cut short have left would fill the disk.
        await restic(address, "unlock", "--remove-all");
        await restic(address, "prune");
      }
    });
    await restic(address, "check", "--read-data");
  },
);

await session.scenario(
  "the power button during a backup: rest-server ends, then the disk is unmounted, then power is off",
  400,
  async () => {
    const { machine } = session;
    const directory = await session.directory();
    await writeRandom(`${directory}/big`, 100);
    {
      const address = machine.address(EXT4.port);
      const packs = `find ${TARGET}/restic/data -type f | wc -l`;
      const before = Number(await machine.sh(packs));
      await using _backup = await startBackup(address, `${directory}/big`, 4096);
      await untilInGuest(machine, `[ "$(${packs})" -gt ${before} ]`);
      await machine.pressPowerButton();
      await machine.ended();
    }
    const console = await machine.console();
    const moments = [
      "power pressed",
      "sending sigterm to all services",
      `unmounting filesystem ${EXT4.identity.uuid}`,
      "all services shut down",
      "Powering off",
    ].map((text) => console.lastIndexOf(text));
    assert(!moments.includes(-1), `a step is missing: ${moments}\n${console.slice(-3000)}`);
    assert.deepEqual(moments, moments.toSorted((a, b) => a - b), console.slice(-3000));
  },
);

await session.scenario(
  "after that fsck finds the disk clean, and restic all data",
  120,
  async () => {
    const directory = await session.directory();
    await fsck(disk);
    await copyOut(disk, "restic", directory);
    await checkFiles(`${directory}/restic`);
  },
);

await session.scenario("the next boot serves the disk that is there already", 600, async () => {
  const machine = await session.boot([
    "-drive",
    `if=none,id=${disk.id},file=${disk.path},format=raw`,
    "-device",
    `usb-storage,bus=usb.0,id=${disk.id},drive=${disk.id}`,
  ]);
  await untilInGuest(machine, listens(EXT4.port));
  await restic(machine.address(EXT4.port), "unlock", "--remove-all");
  assert.match(await restic(machine.address(EXT4.port), "snapshots"), /1 snapshots/);
  await machine.web.powerOff();
  await machine.ended();
  await fsck(disk);
});

await session.scenario("no boot has changed the root file system", 120, async () => {
  const own = await rootDigest(`${await session.directory()}/system.img`);
  assert.equal(own, built.root);
});

await session.scenario(
  "all boots have left on /perm what was there, and an empty directory for the disk",
  120,
  async () => {
    const after = await permFiles(`${await session.directory()}/system.img`);
    const gokrazys = Object.values(WRITTEN_BY_GOKRAZY);
    const left = after.filter((line) => !gokrazys.some((pattern) => pattern.test(line)));
    assert.deepEqual(left, [...built.perm, ...NEIGHBOUR.lines, "backup/"].toSorted());
  },
);

session.close();
