/** `status`: what it says of each phase, and of several runs. */
import assert from "node:assert/strict";
import { fakePlace, NAMESPACE, testWithMount, tmpfsOn, waiting } from "../support/fake_server.ts";
import { askReport, askStatus, untilRun } from "../support/status.ts";
import { about, listeningServer, serveOn } from "../support/status_runs.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

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
  await using wrapper = place.start(await waiting(place, { blkid: ["exec sleep 1000"] }));
  const run = await untilRun(about(place), ({ running }) => running);
  assert.deepEqual([run.phase, run.serving, run.server], ["starting", false, null]);
  wrapper.signal("SIGTERM");
  await wrapper.code();
});

Deno.test("waiting: says for what, also to who reaches the target by a symlink", async () => {
  await using place = await fakePlace();
  await using _wrapper = place.start(await waiting(place));
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

/** In a namespace where nobody else has a status. */
const ALONE = [
  ...NAMESPACE,
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
  await using _wrapper = place.start(await waiting(place));
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
