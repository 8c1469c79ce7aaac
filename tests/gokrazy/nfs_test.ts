/**
 * An NFS export as source, on kernel.rpi, from nfs-ganesha on this machine: restic on it, its bytes past
 * the cache, and a server that goes away and comes back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { restic, resticRoundTrip } from "../support/restic.ts";
import {
  checkFiles,
  listens,
  mountCount,
  startBackup,
  untilInGuest,
  writeRandom,
} from "./support/backup.ts";
import { KERNELS } from "./support/kernels.ts";
import { NFS_PROGRAMS, NfsServer } from "./support/nfs_server.ts";
import { Session } from "./support/session.ts";

/** As README.md recommends it, and the kernel's default, which waits for its server for ever. */
const SOFT = { name: "soft", port: 8000, data: ",soft,timeo=100,retrans=1" };
const HARD = { name: "hard", port: 8001, data: "" };
/** Not `/perm/NAME`: where that is there, gokrazy makes it the working directory of the service. */
const target = (name: string) => `/perm/on-${name}`;
const SERVICES = [SOFT, HARD];
/** A loss is seen by then, by the guest's clock: `timeo` and its retransmission, and the look itself. */
const LOST_SECONDS = 60;
/** How long rest-server gets on the hard mount, and how soon all is over then. */
const STOP_SECONDS = 5;
const STOPPED_SECONDS = 60;
/** What waits for the guest's kernel. */
const LIMIT_MS = 300_000;

const config = (name: string) => `/perm/config/${name}`;
const session = new Session({
  name: "nfs",
  kernel: KERNELS.rpi,
  engine: "script",
  services: SERVICES.map(({ name, port }) => ({
    name,
    starts: false,
    environment: {
      MNT_TARGET: target(name),
      MNT_CONFIG_DIR: config(name),
      MNT_STOP: String(STOP_SECONDS),
    },
    flags: ["--no-auth", `--listen=:${port}`, `--path=${target(name)}/restic`],
  })),
}, {
  ports: SERVICES.map(({ port }) => port),
  reachesHost: true,
  needs: ["root", ...NFS_PROGRAMS.map((program) => `program:${program}` as const)],
});
let server: NfsServer;

/** The port of the server is known only now, so the services read it from a file. */
async function configure({ name, data }: typeof SOFT): Promise<void> {
  const directory = `${config(name)}/env/restic-rest-server`;
  const base = `addr=10.0.2.2,vers=4.1,port=${server.port},clientaddr=10.0.2.15`;
  const lines = [`MNT_SOURCE=10.0.2.2:/${name}`, "MNT_FSTYPE=nfs4", `MNT_DATA=${base}${data}`];
  const text = lines.map((line) => `'${line}'`).join(" ");
  await session.machine.sh(
    `mkdir -p ${directory} && printf '%s\\n' ${text} > ${directory}/env.txt`,
  );
}

/** Starts a service and waits until it serves. */
async function serveOn({ name, port }: typeof SOFT): Promise<void> {
  await session.machine.web.press("restart", name);
  await untilInGuest(session.machine, listens(port));
}

/** A backup that is in the middle of writing to the export. */
async function backupUnderWay({ name, port }: typeof SOFT): Promise<AsyncDisposable> {
  const { machine } = session;
  const source = `${await session.directory()}/big`;
  await writeRandom(source, 64);
  const packs = `find ${target(name)}/restic/data -type f | wc -l`;
  const before = Number(await machine.sh(packs));
  const backup = await startBackup(machine.address(port), source, 4096);
  await untilInGuest(machine, `[ "$(${packs})" -gt ${before} ]`);
  return backup;
}

/** All data is there, as a client sees it. */
async function checkServed({ port }: typeof SOFT): Promise<void> {
  const address = session.machine.address(port);
  await restic(address, "unlock", "--remove-all");
  await restic(address, "check", "--read-data");
  assert.match(await restic(address, "snapshots"), /1 snapshots/);
}

/** Waits for a line that is no older than `since`, both by the guest's clock; gives when it was said. */
async function saidSince({ name }: typeof SOFT, since: number, pattern: RegExp): Promise<number> {
  for (let count = 1;; count++) {
    const options = { count, limitMs: LIMIT_MS };
    const lines = await session.machine.web.log(name, pattern, options);
    const seconds = Number(/ \+(\d+)s /.exec(lines.at(-1)!)?.[1]);
    // What the program asks, sysinfo(2), rounds up.
    if (seconds >= since) return seconds;
  }
}

/** The program and its rest-server: neither has changed where nothing was lost. */
async function processes({ port }: typeof SOFT): Promise<string> {
  // Processes come and go beside it, which grep counts as errors.
  const script = `grep -l -a -e '[-]-listen=:${port}' /proc/[0-9]*/cmdline 2>/dev/null || true`;
  const found = await session.machine.sh(script);
  assert.equal(found.split("\n").length, 2, found);
  return found;
}

await session.scenario("gokrazy boots on kernel.rpi and mounts NFS exports", 1800, async () => {
  const machine = await session.boot();
  const directory = `${await session.directory()}/nfs`;
  await Deno.mkdir(directory);
  server = await NfsServer.make(directory, SERVICES.map(({ name }) => name));
  for (const service of SERVICES) {
    await configure(service);
    await serveOn(service);
    assert.equal(await mountCount(machine, target(service.name)), 1);
  }
});

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
    for (const { name } of SERVICES) {
      const sums = "for f in $(find . -type f | LC_ALL=C sort); do sha256sum $f; done";
      const drop = "sync && echo 3 > /proc/sys/vm/drop_caches";
      const guest = await session.machine.sh(`${drop} && cd ${target(name)}/restic && ${sums}`);
      const folder = `${server.directory}/${name}/restic`;
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
    const before = await Promise.all(SERVICES.map(processes));
    await server.kill();
    await server.start();
    for (const service of SERVICES) await checkServed(service);
    assert.deepEqual(await Promise.all(SERVICES.map(processes)), before);
  },
);

await session.scenario(
  "a server that goes away during a backup is a lost disk; when it is back the same process serves it",
  900,
  async () => {
    const { machine } = session;
    const { Pid } = await machine.web.status(SOFT.name);
    {
      await using _backup = await backupUnderWay(SOFT);
      await server.kill();
      const killed = await machine.uptimeSeconds();
      const lost = / is lost: it cannot be read: .*; stopping rest-server/;
      const seconds = await saidSince(SOFT, killed, lost) - killed;
      console.log(`gokrazy: lost ${seconds.toFixed(1)} s after the server went away`);
      assert(seconds <= LOST_SECONDS, `lost only after ${seconds} s`);
      await untilInGuest(machine, `! ${listens(SOFT.port)}`);
      await saidSince(SOFT, killed, /detached "\/perm\/on-soft"/);
      assert.equal(await mountCount(machine, target(SOFT.name)), 0);
    }
    await saidSince(SOFT, 0, /Cannot mount "10.0.2.2:\/soft" .* \(the server cannot be reached\)/);

    await server.start();
    const back = await machine.uptimeSeconds();
    const seconds = await untilInGuest(machine, listens(SOFT.port), LIMIT_MS) - back;
    console.log(`gokrazy: served ${seconds.toFixed(1)} s after the server was back`);
    assert.equal((await machine.web.status(SOFT.name)).Pid, Pid);
    assert.equal(await mountCount(machine, target(SOFT.name)), 1);
    await checkServed(SOFT);
    await checkFiles(`${server.directory}/soft/restic`);
  },
);

await session.scenario(
  "on a hard mount a server that is away is said to hang, and is served on when it is back",
  400,
  async () => {
    const { machine } = session;
    const before = await processes(HARD);
    await server.kill();
    const away = await machine.uptimeSeconds();
    await saidSince(HARD, away, /has not answered for 10 s: it hangs; see the server/);
    await server.start();
    const back = await machine.uptimeSeconds();
    await saidSince(HARD, back, /"10.0.2.2:\/hard" answers again/);
    await checkServed(HARD);
    assert.equal(await processes(HARD), before);
  },
);

await session.scenario(
  "a stop during a backup to a hard mount whose server is away ends, and leaves no mount",
  600,
  async () => {
    const { machine } = session;
    await using _backup = await backupUnderWay(HARD);
    const { Pid } = await machine.web.status(HARD.name);
    await server.kill();
    const away = await machine.uptimeSeconds();
    await saidSince(HARD, away, /has not answered for 10 s: it hangs/);
    await machine.web.press("stop", HARD.name);
    await untilInGuest(machine, `! [ -e /proc/${Pid} ]`, LIMIT_MS);
    const seconds = await machine.uptimeSeconds() - away;
    console.log(`gokrazy: stopped ${seconds.toFixed(1)} s after that, without its server`);
    assert(seconds <= STOPPED_SECONDS, `stopped only after ${seconds} s`);
    assert.equal(await mountCount(machine, target(HARD.name)), 0);
    await saidSince(HARD, away, /telling the kernel to give up on it \(MNT_FORCE\)/);
  },
);

await session.scenario("a stop ends a mount(2) that no server answers", 300, async () => {
  const { machine } = session;
  await machine.web.press("restart", HARD.name);
  await saidSince(HARD, 0, /still in mount\(2\)/);
  const { Pid } = await machine.web.status(HARD.name);
  await machine.web.press("stop", HARD.name);
  await untilInGuest(machine, `! [ -e /proc/${Pid} ]`);
  assert.equal(await mountCount(machine, target(HARD.name)), 0);
});

await session.scenario("all data is there at the end, and power-off unmounts it", 400, async () => {
  const { machine } = session;
  await server.start();
  await serveOn(HARD);
  await untilInGuest(machine, listens(SOFT.port), LIMIT_MS);
  for (const service of SERVICES) await checkServed(service);
  await machine.web.powerOff();
  await machine.ended();
  for (const { name } of SERVICES) await checkFiles(`${server.directory}/${name}/restic`);
});

session.close(async () => await server?.[Symbol.asyncDispose]());
