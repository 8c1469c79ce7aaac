/**
 * What goes wrong on kernel.arm64: configuration, a killed wrapper, a clock at 1970; and a source that is no
 * disk. All in one boot, with that clock.
 *
 * @module
 */
import assert from "node:assert/strict";
import { resticRoundTrip } from "../support/restic.ts";
import { until } from "../support/wait.ts";
import { listens, mountCount, servesAgain, untilInGuest } from "./support/backup.ts";
import { fsck, type GuestDisk, makeDisk } from "./support/disks.ts";
import { ARM64, BACKUP, EXT4, SHARE } from "./support/services.ts";
import { Session } from "./support/session.ts";

const session = new Session(ARM64, { ports: [EXT4.port, SHARE.port] });
let disk: GuestDisk;

await session.scenario("gokrazy boots with its clock at 1970", 1800, async () => {
  const shared = `${await session.directory()}/shared`;
  await Deno.mkdir(shared);
  const machine = await session.boot([
    ...["-rtc", "base=1970-01-01T00:00:00"],
    ...["-fsdev", `local,id=share,path=${shared},security_model=none`],
    ...["-device", `virtio-9p-pci,fsdev=share,mount_tag=${SHARE.tag}`],
  ]);
  disk = await makeDisk(await session.directory(), "ext4", "ext4", EXT4.identity);
  assert.match(await machine.sh("date +%Y"), /^1970$/);
});

await session.scenario(
  "a wrong clock: each line carries the seconds since boot, too",
  120,
  async () => {
    const { machine } = session;
    const lines = await machine.web.log(BACKUP.name, /waiting for UUID=/);
    const own = lines.filter((line) => line.includes("restic-rest-server: "));
    // sysinfo(2), which the program asks, rounds up.
    const uptime = Math.ceil(await machine.uptimeSeconds());
    let before = 1;
    for (const line of own) {
      const match = /^1970-01-01T00:\d\d:\d\dZ \+(\d+)s restic-rest-server: /.exec(line);
      assert(match !== null, line);
      const seconds = Number(match[1]);
      assert(before <= seconds && seconds <= uptime, `${line}: ${before} to ${uptime}`);
      before = seconds;
    }
    assert(own.length > 0);
  },
);

await session.scenario(
  "a configuration error ends supervision with 125, and the last lines say what is wrong",
  120,
  async () => {
    const { machine } = session;
    await machine.web.press("restart", "misconfigured");
    const lines = await machine.web.log("misconfigured", /exit status 125/);
    assert.match(lines.at(-3)!, /error: .*MNT_SOURCE/);
    assert.match(lines.at(-2)!, /should not be supervised, stopping/);
    await until(
      async () => (await machine.web.status("misconfigured")).Stopped,
      "supervision to end",
    );
    assert.equal(lines.filter((line) => line.includes("attempt")).length, 1);
  },
);

await session.scenario("a missing disk never ends supervision", 180, async () => {
  const { machine } = session;
  await machine.web.press("restart", "missing");
  const lines = await machine.web.log("missing", /gokrazy: attempt 2/, { limitMs: 150_000 });
  assert(lines.some((line) => /Cannot find LABEL=nowhere/.test(line)), lines.join("\n"));
  assert(lines.some((line) => /exit status 69/.test(line)), lines.join("\n"));
  assert.equal((await machine.web.status("missing")).Stopped, false);
  await machine.web.press("stop", "missing");
  // That without MNT_WAIT has waited all the time, in its first process.
  const [first] = await machine.web.log(BACKUP.name, /gokrazy: attempt/);
  assert.match(first!, /attempt 0/);
  assert.equal((await machine.web.status(BACKUP.name)).Stopped, false);
});

await session.scenario(
  "the wrapper killed by SIGKILL: it comes back, with one mount and one server",
  300,
  async () => {
    const { machine } = session;
    await machine.plug(disk);
    await untilInGuest(machine, listens(EXT4.port));
    for (let round = 0; round < 3; round++) {
      const { Pid } = await machine.web.status(BACKUP.name);
      await machine.sh(`kill -9 ${Pid}`);
      await servesAgain(machine, BACKUP.name, Pid, EXT4.port);
      assert.equal(await mountCount(machine, "/perm/backup"), 1);
      const servers = "grep -l -a ^/user/rest-server /proc/[0-9]*/cmdline 2>/dev/null | wc -l";
      assert.equal(await machine.sh(servers), "1");
    }
    await resticRoundTrip(machine.address(EXT4.port), `${await session.directory()}/killed`);
  },
);

await session.scenario(
  "a directory of the host by 9p is served, as an example of no disk",
  300,
  async () => {
    const { machine } = session;
    await machine.web.press("restart", "share");
    await untilInGuest(machine, listens(SHARE.port));
    assert.equal(await mountCount(machine, "/perm/share"), 1);
    await resticRoundTrip(machine.address(SHARE.port), `${await session.directory()}/by-9p`);
    await Deno.stat(`${await session.directory()}/shared/restic/config`);
  },
);

await session.scenario("power-off by the web interface unmounts all of them", 300, async () => {
  await session.machine.web.powerOff();
  await session.machine.ended();
  await fsck(disk);
});

session.close();
