/** `status` believes no file that it cannot prove; an unclean end stays and is told. */
import assert from "node:assert/strict";
import { fakePlace, testWithMount, tmpfsOn, waiting } from "../support/fake_server.ts";
import { askReport, untilRun } from "../support/status.ts";
import { about, serveOn, statusFile } from "../support/status_runs.ts";

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
  const options = await waiting(place);
  await using first = place.start(options);
  await untilRun(about(place), ({ phase }) => phase === "waiting");
  await using second = place.start(options);
  assert.equal(await second.code(), 75);
  const [run] = (await askReport(about(place))).instances;
  assert.deepEqual([run!.wrapper.pid, run!.failure], [first.pid, null]);
});
