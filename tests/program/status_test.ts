/** `status`: what it says of each phase, and that it believes no file that it cannot prove. */
import assert from "node:assert/strict";
import { lockName } from "../../mod/lock.ts";
import { findRunDirectories } from "../../mod/run_directory.ts";
import {
  fakePlace,
  type Place,
  QUIET_ARGS,
  testWithMount,
  tmpfsOn,
} from "../support/fake_server.ts";
import { askReport, askStatus, untilRun } from "../support/status.ts";
import { until } from "../support/wait.ts";
import type { Wrapper, WrapperOptions } from "../support/wrapper.ts";

const LISTENING = new URL("../support/listening_server.ts", import.meta.url).pathname;

/** A rest-server that listens, as the real one does. */
function listeningServer(place: Place): Promise<string> {
  const command = `exec "${Deno.execPath()}" run --quiet --allow-all --no-lock "${LISTENING}"`;
  return place.script("listening", command);
}

/** Serves a tmpfs in a namespace of its own, on a port. */
async function serveOn(place: Place): Promise<Wrapper> {
  const disk = tmpfsOn(place);
  return place.start({ ...disk, env: { ...disk.env, MNT_SERVER: await listeningServer(place) } });
}

/** The question for the run of a place. */
const about = ({ path }: Place, target = `${path}/mnt`) => ({
  env: { XDG_RUNTIME_DIR: path, MNT_TARGET: target },
});

/** Where the status file of a place is. */
async function statusFile({ path }: Place): Promise<string> {
  const name = (await lockName(`${path}/mnt`)).replace(/lock$/, "status");
  const directories = await findRunDirectories({ XDG_RUNTIME_DIR: path });
  const there = directories.map((directory) => `${directory}/${name}`);
  const found = await until(async () => {
    const infos = await Promise.all(there.map((file) => Deno.stat(file).catch(() => null)));
    return there.find((_, i) => infos[i] !== null);
  }, `one of ${there}`);
  return found;
}

/** Waits for a disk, with a blkid that does this. */
async function waiting(place: Place, ...blkid: string[]): Promise<Partial<WrapperOptions>> {
  const target = `${place.path}/mnt`;
  return {
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
    env: {
      MNT_SOURCE: "LABEL=nobody-has-this",
      MNT_TARGET: target,
      MNT_BLKID: await place.script("blkid", ...blkid),
    },
  };
}

testWithMount(
  "serving: 0, with the mount, its space, and the socket that is listened on",
  async () => {
    await using place = await fakePlace();
    await using wrapper = await serveOn(place);
    const run = await untilRun(about(place), ({ serving }) => serving);
    assert.equal(run.running, true);
    assert.equal(run.phase, "serving");
    assert.equal(run.wrapper.pid, wrapper.pid);
    assert.match(run.server!.listening!.join(), /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([run.source, run.fstype, run.devices], ["tmpfs", "tmpfs", ["tmpfs"]]);
    assert.equal(run.readonly, false);
    assert.ok(run.space!.size_bytes > run.space!.free_bytes - 1 && run.space!.free_bytes > 0);
    assert.deepEqual([run.starts, run.losses, run.restarts, run.failure], [1, 0, 0, null]);

    const { code, out } = await askStatus(about(place));
    assert.equal(code, 0);
    assert.match(out, /^status {8}serving$/m);
    assert.match(out, new RegExp(`^rest-server {3}process ${run.server!.pid}, listening on `, "m"));
    wrapper.signal("SIGTERM");
    await wrapper.code();
    const gone = await askStatus(about(place));
    assert.equal(gone.code, 69);
    assert.match(gone.out, /^no restic-rest-server runs for ".*": there is no status file in \//);
  },
);

testWithMount("a rest-server that listens nowhere does not serve: 69", async () => {
  await using place = await fakePlace();
  await using _wrapper = place.start(tmpfsOn(place));
  const run = await untilRun(about(place), ({ phase }) => phase === "serving");
  assert.equal(run.why, "rest-server listens on no socket");
});

Deno.test("starting: blkid does not answer yet", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start(await waiting(place, "exec sleep 1000"));
  const run = await untilRun(about(place), ({ running }) => running);
  assert.deepEqual([run.phase, run.serving, run.server], ["starting", false, null]);
  wrapper.signal("SIGTERM");
  await wrapper.code();
});

Deno.test("waiting: says for what, also to who reaches the target by a symlink", async () => {
  await using place = await fakePlace();
  await using _wrapper = place.start(await waiting(place, "exit 2"));
  await Deno.symlink(place.path, `${place.path}/link`);
  const run = await untilRun(
    about(place, `${place.path}/link/mnt`),
    ({ phase }) => phase === "waiting",
  );
  assert.match(run.why!, /^waiting for LABEL=nobody-has-this: no such device/);
  assert.match((await askStatus(about(place))).out, /^status {8}not serving: waiting for LABEL/m);
});

testWithMount("stopping: a rest-server that takes its time", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  await using wrapper = place.start({ ...disk, env: { ...disk.env, FAKE_STUBBORN: "1" } });
  await untilRun(about(place), ({ phase }) => phase === "serving");
  wrapper.signal("SIGTERM");
  const run = await untilRun(about(place), ({ phase }) => phase === "stopping");
  assert.deepEqual([run.serving, run.why], [false, "stopping rest-server"]);
  Deno.kill(run.server!.pid, "SIGKILL");
  await wrapper.code();
});

testWithMount("what a killed run left is stale, and the next run tells of it", async () => {
  await using place = await fakePlace();
  {
    await using wrapper = await serveOn(place);
    await untilRun(about(place), ({ serving }) => serving);
    wrapper.signal("SIGKILL");
    await wrapper.code();
    const run = await untilRun(about(place), ({ running }) => !running);
    const why = `it does not run: process ${wrapper.pid} is gone (it was killed, or crashed)`;
    assert.deepEqual([run.serving, run.why, run.phase], [false, why, "serving"]);
    assert.equal(run.server, null);
  }
  await using wrapper = await serveOn(place);
  const run = await untilRun(about(place), ({ serving }) => serving);
  assert.equal(run.wrapper.pid, wrapper.pid);
  assert.equal(run.restarts, 1);
  assert.match(run.failure!.text, /^the run before, process \d+, ended without a word/);
});

testWithMount("another process that got the pid is not taken for the run", async () => {
  await using place = await fakePlace();
  await using wrapper = await serveOn(place);
  await untilRun(about(place), ({ serving }) => serving);
  wrapper.signal("SIGKILL");
  await wrapper.code();
  const file = await statusFile(place);
  const record = JSON.parse(await Deno.readTextFile(file));
  record.wrapper.pid = record.server.pid = Deno.pid;
  await Deno.writeTextFile(file, JSON.stringify(record));
  const [run] = (await askReport(about(place))).instances;
  assert.deepEqual([run!.running, run!.server], [false, null]);
  assert.match(run!.why!, new RegExp(`process ${Deno.pid} is gone`));
});

testWithMount(
  "a rest-server that is gone while the file names it is not believed either",
  async () => {
    await using place = await fakePlace();
    await using _wrapper = await serveOn(place);
    await untilRun(about(place), ({ serving }) => serving);
    const file = await statusFile(place);
    const record = JSON.parse(await Deno.readTextFile(file));
    const { pid } = record.server;
    record.server.startTime = "1";
    await Deno.writeTextFile(file, JSON.stringify(record));
    const [run] = (await askReport(about(place))).instances;
    assert.deepEqual([run!.running, run!.why], [true, `rest-server is gone (process ${pid})`]);
  },
);

testWithMount(
  "an unclean end stays and tells the failure; a clean one leaves nothing",
  async () => {
    await using place = await fakePlace();
    const disk = tmpfsOn(place);
    const ended = "rest-server ended with exit code 5";
    for (const restarts of [0, 1]) {
      await using wrapper = place.start({ ...disk, env: { ...disk.env, FAKE_DO: "exit 5" } });
      assert.equal(await wrapper.code(), 5);
      const [run] = (await askReport(about(place))).instances;
      assert.match(run!.why!, /process \d+ is gone \(rest-server ended with exit code 5\)$/);
      assert.deepEqual([run!.failure!.text, run!.restarts], [ended, restarts]);
    }
    await using wrapper = place.start(disk);
    const run = await untilRun(about(place), ({ phase }) => phase === "serving");
    assert.deepEqual([run.failure!.text, run.restarts], [ended, 2]);
    const file = await statusFile(place);
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o644);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    await assert.rejects(Deno.stat(file), Deno.errors.NotFound);
  },
);

Deno.test("a run that was refused, for another one serves, does not touch its status", async () => {
  await using place = await fakePlace();
  const options = await waiting(place, "exit 2");
  await using first = place.start(options);
  await untilRun(about(place), ({ phase }) => phase === "waiting");
  await using second = place.start(options);
  assert.equal(await second.code(), 75);
  const [run] = (await askReport(about(place))).instances;
  assert.deepEqual([run!.wrapper.pid, run!.failure], [first.pid, null]);
});

/** In a namespace where nobody else has a status. */
const ALONE = [
  ...tmpfsOn({ path: "" } as Place).prefix,
  "sh",
  "-c",
  'mount -t tmpfs tmpfs /run && exec "$@"',
  "sh",
];
const inside = (
  { pid }: Wrapper,
) => ["nsenter", "-t", String(pid), "-U", "-m", "--preserve-credentials"];

testWithMount("several runs: all are shown, and 0 means that all serve", async () => {
  await using place = await fakePlace();
  const env = { MNT_SERVER: await listeningServer(place) };
  await using first = place.start({ env, prefix: ALONE });
  await first.outLine(/^ready$/);
  await using second = place.start({ env, prefix: inside(first) });
  await second.outLine(/^ready$/);
  const asked = { env: { XDG_RUNTIME_DIR: place.path }, prefix: inside(first) };
  const both = await until(async () => {
    const report = await askReport(asked);
    return report.instances.length === 2 && report.serving ? report : null;
  }, "two that serve");
  assert.deepEqual(
    both.instances.map(({ wrapper }) => wrapper.pid).toSorted(),
    [first.pid, second.pid].toSorted(),
  );
  assert.deepEqual(both.instances.map(({ target }) => target), [null, null]);
  assert.equal((await askStatus(asked)).out.split("\n\n").length, 2);

  second.signal("SIGKILL");
  await second.code();
  const one = await askReport(asked);
  assert.equal(one.serving, false);
  assert.deepEqual(one.instances.map(({ serving }) => serving).toSorted(), [false, true]);
  // The next run without a mount takes away what that one left.
  await using third = place.start({ env, prefix: inside(first) });
  await third.outLine(/^ready$/);
  const last = await until(async () => {
    const report = await askReport(asked);
    return report.serving && report.instances.length === 2 ? report : null;
  }, "the two that are left");
  const run = last.instances.find(({ wrapper }) => wrapper.pid === third.pid)!;
  assert.equal(run.restarts, 1);
});

Deno.test("MNT_CONFIG_DIR picks the run of its MNT_TARGET", async () => {
  await using place = await fakePlace();
  await using _wrapper = place.start(await waiting(place, "exit 2"));
  await untilRun(about(place), ({ phase }) => phase === "waiting");
  const directory = `${place.path}/env/restic-rest-server`;
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(`${directory}/env.txt`, `MNT_TARGET=${place.path}/mnt/\n`);
  const env = { XDG_RUNTIME_DIR: place.path, MNT_CONFIG_DIR: place.path };
  const { instances } = await askReport({ env });
  assert.deepEqual(instances.map(({ target }) => target), [`${place.path}/mnt`]);
});

Deno.test("bad use is one line and 78", async () => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [["x"], {}, /status takes --json and nothing else: "x"$/],
    [["--json", "--path"], {}, /status takes --json and nothing else: "--json" "--path"$/],
    [[], { MNT_TARGET: "mnt" }, /Cannot use MNT_TARGET="mnt": not an absolute path$/],
    [[], { MNT_CONFIG_DIR: "/nonexistent" }, /Cannot use MNT_CONFIG_DIR="\/nonexistent": neither /],
  ];
  for (const [args, env, says] of cases) {
    const { code, out, err } = await askStatus({ args, env });
    assert.deepEqual([code, out], [78, ""]);
    assert.match(err, says);
    assert.equal(err.split("\n").length, 1);
  }
});

Deno.test("--json with nothing there keeps to the schema, too", async () => {
  await using place = await fakePlace();
  const report = await askReport(about(place));
  assert.deepEqual(report.instances, []);
  assert.match(report.why!, /^no restic-rest-server runs for /);
});
