/**
 * btrfs raid1 over two USB disks, on a kernel that `deno task dist:kernel` has built: late members, names
 * that change, a member that is pulled out. Run by `deno task test:gokrazy:btrfs`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { KERNEL_PACKAGE } from "../../dist/kernel/package.ts";
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { run } from "../support/command.ts";
import { httpStatus } from "../support/http.ts";
import { restic, resticRoundTrip } from "../support/restic.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/wait.ts";
import {
  checkFiles,
  mountCount,
  untilInGuest,
  untilUptime,
  writeRandom,
} from "./support/backup.ts";
import { type GuestDisk, makeDisk } from "./support/disks.ts";
import type { Kernel } from "./support/kernels.ts";
import type { Machine } from "./support/machine.ts";
import { diskService } from "./support/services.ts";
import { Session } from "./support/session.ts";

const KERNEL: Kernel = {
  package: KERNEL_PACKAGE,
  folder: new URL("../../dist/out/kernel", import.meta.url).pathname,
  boot: "firmware",
};
const UUID = "b7f5a0c2-3d4e-4f60-9a1b-0123456789ab";
const SOURCE = { MNT_SOURCE: `UUID=${UUID}` };

/** As most people set it up, from boot on; and with leave to go on with one member. */
const STRICT = diskService("mirror", 8000, SOURCE, true);
const DEGRADED = diskService("degraded", 8001, { ...SOURCE, MNT_DATA: "degraded" });
const STRICT_PORT = 8000;
const DEGRADED_PORT = 8001;

/** How long the second member is late, by the guest's clock. */
const LATE_SECONDS = 20;
/** How long `degraded` waits for all members, by the guest's clock, and how long we do. */
const DEGRADED_SECONDS = 60;
const DEGRADED_LIMIT_MS = 240_000;

const session = new Session(
  { name: "btrfs", kernel: KERNEL, services: [STRICT, DEGRADED], engine: "script" },
  { ports: [STRICT_PORT, DEGRADED_PORT] },
);
/** The members, in the order of their numbers in btrfs. */
const disks: GuestDisk[] = [];
const first = () => disks[0]!;
const second = () => disks[1]!;

/** A regular expression for the line of a wait for the other member. */
const waitsForOne = (path: string) =>
  new RegExp(`waiting for UUID=${UUID}.*: btrfs ${UUID}: 1 of 2 members \\(${path}\\)`);

/**
 * Waits until rest-server itself answers; gives the guest's uptime then. That somebody listens would not
 * do: the program tries for a moment whether the port is free.
 */
async function served(machine: Machine, port: number): Promise<number> {
  const url = `http://${machine.address(port)}/`;
  await until(() => httpStatus(url).then(() => true, () => false), `an answer of port ${port}`);
  return await machine.uptimeSeconds();
}

/** Plugs a member in and waits for its node. */
async function plugAs(machine: Machine, disk: GuestDisk, name: string): Promise<void> {
  await machine.plug(disk);
  await untilInGuest(machine, `[ -b /dev/${name} ]`);
}

/** The number that a member has in its btrfs: `dev_item.devid`, byte 201 of the super block at 64 KiB. */
async function devid(machine: Machine, name: string): Promise<number> {
  const skip = 0x10000 + 201;
  return Number(
    await machine.sh(`dd if=/dev/${name} bs=1 skip=${skip} count=1 2>/dev/null | od -An -tu1`),
  );
}

async function snapshots(machine: Machine, port: number): Promise<number> {
  const json = await restic(machine.address(port), "snapshots", "--json");
  return (JSON.parse(json) as unknown[]).length;
}

/** Switches off, then takes each of these members alone and checks all that it holds. */
async function checkMembers(machine: Machine, members: readonly GuestDisk[]): Promise<void> {
  await machine.web.powerOff();
  await machine.ended();
  for (const { path } of members) {
    // btrfs-progs know of no other member: a plain file is found by nobody.
    await run("btrfs", "check", "--readonly", "--check-data-csum", path);
    await using copy = await tempDirectory();
    await run("btrfs", "restore", path, copy.path);
    await checkFiles(`${copy.path}/restic`);
  }
}

await session.scenario("gokrazy boots on the kernel of dist/kernel", 1800, async () => {
  await ensurePrograms(["mkfs.btrfs"], console.log);
  const machine = await session.boot();
  const directory = await session.directory();
  for (const id of ["member1", "member2"]) {
    disks.push(await makeDisk(directory, id, "blank", {}, 256));
  }
  const paths = disks.map(({ path }) => path);
  await run("mkfs.btrfs", "-q", "-U", UUID, "-d", "raid1", "-m", "raid1", ...paths);
  assert.match(await machine.sh("uname -r"), /-gokrazy-btrfs$/);
  assert.match(await machine.sh("cat /proc/filesystems"), /^\tbtrfs$/m);
});

await session.scenario(
  `a btrfs with one member ${LATE_SECONDS} s late: "1 of 2 members", then served`,
  300,
  async () => {
    const { machine } = session;
    await plugAs(machine, first(), "sda");
    await machine.web.log(STRICT.name, waitsForOne("/dev/sda"));
    const waited = await machine.uptimeSeconds() + LATE_SECONDS;
    await untilUptime(machine, waited);
    assert.equal(await mountCount(machine, "/perm/mirror"), 0);

    const plugged = await machine.uptimeSeconds();
    await machine.plug(second());
    const seconds = await served(machine, STRICT_PORT) - plugged;
    console.log(`gokrazy: served ${seconds.toFixed(2)} s after the last member was plugged in`);
    assert.equal(await mountCount(machine, "/perm/mirror"), 1);
    // The kernel was told of both: with one of them it would not have mounted.
    const members = await machine.sh(`ls /sys/fs/btrfs/${UUID}/devices`);
    assert.deepEqual(members.split(/\s+/), ["sda", "sdb"]);
  },
);

await session.scenario(
  "restic inits, backs up, checks and restores on raid1 by UUID",
  600,
  async () => {
    const directory = `${await session.directory()}/round-trip`;
    await resticRoundTrip(session.machine.address(STRICT_PORT), directory);
  },
);

await session.scenario(
  "after power-off btrfs check and restic check find all data on each member alone",
  400,
  async () => await checkMembers(session.machine, disks),
);

await session.scenario("plugged in the other order it is served all the same", 600, async () => {
  const machine = await session.boot();
  await plugAs(machine, second(), "sda");
  await machine.web.log(STRICT.name, waitsForOne("/dev/sda"));
  await plugAs(machine, first(), "sdb");
  await served(machine, STRICT_PORT);
  // The names have changed hands.
  assert.equal(await devid(machine, "sda"), 2);
  assert.equal(await devid(machine, "sdb"), 1);
  assert.equal(await snapshots(machine, STRICT_PORT), 1);
});

await session.scenario(
  "a member pulled out: the raid1 is let go; plugged in again it is served by the same process",
  400,
  async () => {
    const { machine } = session;
    const { Pid } = await machine.web.status(STRICT.name);
    await machine.pull(second());
    await machine.web.log(STRICT.name, /is lost: 1 of 2 members of the btrfs are gone/);
    await machine.web.log(STRICT.name, waitsForOne("/dev/sdb"));
    assert.equal(await mountCount(machine, "/perm/mirror"), 0);

    await machine.plug(second());
    await served(machine, STRICT_PORT);
    assert.equal(await mountCount(machine, "/perm/mirror"), 1);
    assert.equal((await machine.web.status(STRICT.name)).Pid, Pid);
    assert.equal(await snapshots(machine, STRICT_PORT), 1);
    await restic(machine.address(STRICT_PORT), "check", "--read-data");
  },
);

await session.scenario(
  "with `degraded` a member pulled out during a backup is said, and the backup goes on with the other",
  600,
  async () => {
    const { machine } = session;
    const directory = await session.directory();
    await machine.web.press("stop", STRICT.name);
    await untilInGuest(machine, `! grep -q ' /perm/mirror ' /proc/mounts`);
    await machine.web.press("restart", DEGRADED.name);
    await served(machine, DEGRADED_PORT);
    const { Pid } = await machine.web.status(DEGRADED.name);

    await writeRandom(`${directory}/more`, 24);
    const address = machine.address(DEGRADED_PORT);
    const packs = "find /perm/degraded/restic/data -type f | wc -l";
    const before = Number(await machine.sh(packs));
    const backup = restic(address, "backup", "--limit-upload", "4096", `${directory}/more`);
    try {
      await untilInGuest(machine, `[ "$(${packs})" -gt ${before} ]`);
      await machine.pull(second());
    } finally {
      await backup;
    }
    await machine.web.log(
      DEGRADED.name,
      /1 of 2 members of the btrfs are gone .*: serving goes on degraded/,
    );
    await restic(address, "check", "--read-data");
    assert.equal(await snapshots(machine, DEGRADED_PORT), 2);
    assert.equal((await machine.web.status(DEGRADED.name)).Pid, Pid);
  },
);

await session.scenario(
  "with `degraded` one member alone is mounted after a wait for the other, and says so",
  400,
  async () => {
    const { machine } = session;
    const restarted = await machine.uptimeSeconds();
    await machine.web.press("restart", DEGRADED.name);
    await machine.web.log(DEGRADED.name, waitsForOne("/dev/sdb"));
    await machine.web.log(DEGRADED.name, /going on degraded with 1 of 2 members: \/dev\/sdb/, {
      limitMs: DEGRADED_LIMIT_MS,
    });
    const seconds = await served(machine, DEGRADED_PORT) - restarted;
    assert(seconds >= DEGRADED_SECONDS, `it waited no more than ${seconds} s`);
    assert.equal(await snapshots(machine, DEGRADED_PORT), 2);
  },
);

await session.scenario(
  "a member that missed a backup is taken in with a line that asks for a scrub",
  400,
  async () => {
    const { machine } = session;
    await machine.web.press("stop", DEGRADED.name);
    await untilInGuest(machine, `! grep -q ' /perm/degraded ' /proc/mounts`);
    await machine.plug(second());
    await machine.web.press("restart", STRICT.name);
    await served(machine, STRICT_PORT);
    await machine.web.log(
      STRICT.name,
      /not of the same generation .* run "btrfs scrub start \/perm\/mirror"/,
    );
    assert.equal(await snapshots(machine, STRICT_PORT), 2);
    await restic(machine.address(STRICT_PORT), "check", "--read-data");
  },
);

await session.scenario(
  "after power-off btrfs check and restic check find all data on the member that was never pulled",
  400,
  async () => await checkMembers(session.machine, [first()]),
);

session.close();
