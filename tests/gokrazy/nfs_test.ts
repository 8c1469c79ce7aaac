/**
 * An NFS export as source, on kernel.rpi, from nfs-ganesha on this machine: restic on it, its bytes past
 * the cache, and a server that goes away and comes back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { resticRoundTrip } from "../support/restic.ts";
import { checkFiles, listens, mountCount, servesAgain, untilInGuest } from "./support/backup.ts";
import { HARD, LIMIT_MS, NfsSession, SERVICES, SOFT, target } from "./support/nfs_session.ts";

/** A loss is seen by then, by the guest's clock: `timeo` and its retransmission, and the look itself. */
const LOST_SECONDS = 60;
/** How soon a stop is over that has to give up on a server. */
const STOPPED_SECONDS = 60;
const STILL_LOOKING =
  /still waiting for an answer from the mount of "10.0.2.2:\/hard" on ".*" after 10 s/;

const session = new NfsSession();

await session.scenario(
  "gokrazy boots on kernel.rpi and mounts NFS exports",
  1800,
  () => session.bootAndServe(),
);

await session.scenario(
  "restic inits, backs up, checks and restores on an export",
  600,
  async () => {
    for (const { name, port } of SERVICES) {
      const directory = `${await session.directory()}/${name}`;
      await resticRoundTrip(session.machine.address(port), directory);
    }
  },
);

await session.scenario(
  "the bytes are the same in the guest past its cache and in the directory of the server",
  300,
  async () => {
    for (const service of SERVICES) {
      const sums = "for f in $(find . -type f | LC_ALL=C sort); do sha256sum $f; done";
      const drop = "sync && echo 3 > /proc/sys/vm/drop_caches";
      const guest = await session.machine.sh(`${drop} && cd ${target(service)}/restic && ${sums}`);
      const folder = `${session.server.directory}/${service.name}/restic`;
      assert.equal(guest, await run("sh", "-c", `cd "$0" && ${sums}`, folder));
      // What restic can read there is no zeros.
      await checkFiles(folder);
    }
  },
);

await session.scenario(
  "a server that is back within the time that the mount gives it was never lost",
  300,
  async () => {
    const processes = () => Promise.all(SERVICES.map((service) => session.processes(service)));
    const before = await processes();
    await session.server.kill();
    await session.server.start();
    for (const service of SERVICES) await session.checkServed(service);
    assert.deepEqual(await processes(), before);
  },
);

await session.scenario(
  "a server that goes away during a backup is a lost disk; when it is back the same process serves it",
  900,
  async () => {
    const { machine } = session;
    const { Pid } = await machine.web.status(SOFT.name);
    {
      await using _backup = await session.backupUnderWay(SOFT);
      await session.server.kill();
      const killed = await machine.uptimeSeconds();
      const lost = / is lost: it cannot be read: .*; stopping rest-server/;
      const seconds = await session.saidSince(SOFT, killed, lost) - killed;
      console.log(`gokrazy: lost ${seconds.toFixed(1)} s after the server went away`);
      assert(seconds <= LOST_SECONDS, `lost only after ${seconds} s`);
      await untilInGuest(machine, `! ${listens(SOFT.port)}`);
      await session.saidSince(SOFT, killed, /detached "\/perm\/on-soft"/);
      assert.equal(await mountCount(machine, target(SOFT)), 0);
    }
    const unreached = /Cannot mount "10.0.2.2:\/soft" .* \(the server cannot be reached\)/;
    await session.saidSince(SOFT, 0, unreached);

    await session.server.start();
    const back = await machine.uptimeSeconds();
    const seconds = await untilInGuest(machine, listens(SOFT.port), LIMIT_MS) - back;
    console.log(`gokrazy: served ${seconds.toFixed(1)} s after the server was back`);
    assert.equal((await machine.web.status(SOFT.name)).Pid, Pid);
    assert.equal(await mountCount(machine, target(SOFT)), 1);
    await session.checkServed(SOFT);
    await checkFiles(`${session.server.directory}/soft/restic`);
  },
);

await session.scenario(
  "on a hard mount a server that is away is said to hang, and is served on when it is back",
  400,
  async () => {
    const { machine } = session;
    const before = await session.processes(HARD);
    await session.server.kill();
    const away = await machine.uptimeSeconds();
    await session.saidSince(
      HARD,
      away,
      /has not answered for 10 s: it hangs; check the network and the server/,
    );
    await session.server.start();
    const back = await machine.uptimeSeconds();
    await session.saidSince(HARD, back, /"10.0.2.2:\/hard" answers again/);
    await session.checkServed(HARD);
    assert.equal(await session.processes(HARD), before);
  },
);

await session.scenario(
  "killed while its server is away, it says what it waits for, and serves again when it is back",
  600,
  async () => {
    const { machine } = session;
    await session.server.kill();
    const away = await machine.uptimeSeconds();
    for (const service of SERVICES) await session.killWrapper(service);
    await session.saidSince(HARD, away, STILL_LOOKING);
    const again = /Cannot take over the mount of "10.0.2.2:\/soft" .*; trying again/;
    await session.saidSince(SOFT, away, again);
    await session.server.start();
    for (const service of SERVICES) await session.checkTakenOver(service, away);
  },
);

await session.scenario(
  "a stop ends that wait, and the next start still knows the mount for its own",
  400,
  async () => {
    const { machine } = session;
    await session.server.kill();
    const away = await machine.uptimeSeconds();
    await session.killWrapper(HARD);
    await session.saidSince(HARD, away, STILL_LOOKING);
    const { Pid } = await machine.web.status(HARD.name);
    await machine.web.press("stop", HARD.name);
    await untilInGuest(machine, `! [ -e /proc/${Pid} ]`);
    await session.server.start();
    const back = await machine.uptimeSeconds();
    await machine.web.press("restart", HARD.name);
    await session.checkTakenOver(HARD, back);
  },
);

await session.scenario(
  "killed in the middle of a backup while its server is away, it serves again when it is back",
  600,
  async () => {
    const { machine } = session;
    const { Pid } = await machine.web.status(HARD.name);
    {
      await using _backup = await session.backupUnderWay(HARD);
      await session.server.kill();
      const away = await machine.uptimeSeconds();
      await session.saidSince(HARD, away, /has not answered for 10 s: it hangs/);
      await session.killWrapper(HARD);
    }
    // What was to be written may hold both processes in the kernel, and gokrazy waits for them.
    await session.server.start();
    await servesAgain(machine, HARD.name, Pid, HARD.port);
    assert.equal(await mountCount(machine, target(HARD)), 1);
    await session.checkServed(HARD);
  },
);

await session.scenario(
  "a stop during a backup to a hard mount whose server is away ends, and leaves no mount",
  600,
  async () => {
    const { machine } = session;
    await using _backup = await session.backupUnderWay(HARD);
    const { Pid } = await machine.web.status(HARD.name);
    await session.server.kill();
    const away = await machine.uptimeSeconds();
    await session.saidSince(HARD, away, /has not answered for 10 s: it hangs/);
    await machine.web.press("stop", HARD.name);
    await untilInGuest(machine, `! [ -e /proc/${Pid} ]`, LIMIT_MS);
    const seconds = await machine.uptimeSeconds() - away;
    console.log(`gokrazy: stopped ${seconds.toFixed(1)} s after that, without its server`);
    assert(seconds <= STOPPED_SECONDS, `stopped only after ${seconds} s`);
    assert.equal(await mountCount(machine, target(HARD)), 0);
    await session.saidSince(HARD, away, /telling the kernel to give up on it \(MNT_FORCE\)/);
  },
);

await session.scenario("a stop ends a mount(2) that no server answers", 300, async () => {
  const { machine } = session;
  await machine.web.press("restart", HARD.name);
  await session.saidSince(HARD, 0, /still waiting for mount\(2\)/);
  const { Pid } = await machine.web.status(HARD.name);
  await machine.web.press("stop", HARD.name);
  await untilInGuest(machine, `! [ -e /proc/${Pid} ]`);
  assert.equal(await mountCount(machine, target(HARD)), 0);
});

await session.scenario("all data is there at the end, and power-off unmounts it", 400, async () => {
  const { machine } = session;
  await session.server.start();
  await session.serveOn(HARD);
  await untilInGuest(machine, listens(SOFT.port), LIMIT_MS);
  for (const service of SERVICES) await session.checkServed(service);
  await machine.web.powerOff();
  await machine.ended();
  for (const { name } of SERVICES) await checkFiles(`${session.server.directory}/${name}/restic`);
});

session.close();
