/** What each signal does while rest-server takes its time to stop, and how that time ends. */
import assert from "node:assert/strict";
import { FORWARDED_SIGNALS, SAME_KEYPRESS_MS } from "../../mod/signals.ts";
import { fakePlace, gotSignals, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { until } from "../support/wait.ts";

const STUBBORN = { FAKE_STUBBORN: "1" };

/** Ends once a second SIGINT can no longer be the same press of Ctrl-C. */
async function anotherKeypress(sinceMs: number): Promise<void> {
  await until(() => performance.now() - sinceMs > SAME_KEYPRESS_MS + 50, "another press of a key");
}

Deno.test("stopping: other signals are still passed on, a second SIGTERM is not", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: STUBBORN });
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGTERM");
  const startMs = performance.now();
  await wrapper.outLine(/^got 15$/);
  const names = FORWARDED_SIGNALS.filter(({ action }) => action === "pass").map(({ name }) => name);
  wrapper.signal("SIGTERM");
  wrapper.signal("SIGHUP");
  for (const name of names) {
    const from = wrapper.outLines.length;
    wrapper.signal(name as Deno.Signal);
    await wrapper.outLine(/^got /, from);
  }
  assert.deepEqual(gotSignals(wrapper), ["SIGTERM", ...names]);
  await anotherKeypress(startMs);
  wrapper.signal("SIGINT");
  assert.equal(await wrapper.code(), 137);
});

for (const first of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`stopping: a SIGINT after ${first} kills a rest-server that does not stop: 137`, async () => {
    await using place = await fakePlace();
    await using wrapper = place.start({ env: STUBBORN });
    await wrapper.outLine(/^ready$/);
    wrapper.signal(first);
    await wrapper.outLine(/^got /);
    await anotherKeypress(performance.now());
    wrapper.signal("SIGINT");
    assert.equal(await wrapper.code(), 137);
    assert.deepEqual(gotSignals(wrapper), [first]);
    await wrapper.errLine(
      /warning: killing rest-server \(process \d+\): a second SIGINT asked for it$/,
    );
  });
}

Deno.test("stopping: one Ctrl-C that arrives twice, by terminal and parent, kills nothing", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: STUBBORN });
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGINT");
  await wrapper.errLine(/SIGINT: stopping/);
  wrapper.signal("SIGINT");
  const startMs = performance.now();
  await anotherKeypress(startMs);
  const from = wrapper.outLines.length;
  wrapper.signal("SIGUSR2");
  await wrapper.outLine(/^got 12$/, from);
  assert.ok(!wrapper.errLines.some((line) => line.includes("killing")));
  wrapper.signal("SIGINT");
  assert.equal(await wrapper.code(), 137);
});

const LIMITS = [
  // No time to give: SIGTERM would only race with SIGKILL.
  { stop: "0", got: [] },
  { stop: "0.3", got: ["SIGTERM"] },
  { stop: "1", got: ["SIGTERM"] },
] as const;

for (const { stop, got } of LIMITS) {
  Deno.test(`stopping: MNT_STOP=${stop} ends a stubborn rest-server with SIGKILL: 137`, async () => {
    await using place = await fakePlace();
    await using wrapper = place.start({ env: { ...STUBBORN, MNT_STOP: stop } });
    await wrapper.outLine(/^ready$/);
    const startMs = performance.now();
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 137);
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= Number(stop) * 1000, `killed after ${tookMs} ms already`);
    assert.deepEqual(gotSignals(wrapper), got);
    const line =
      `killing rest-server \\(process \\d+\\): it did not stop within ${stop} s \\(MNT_STOP\\)$`;
    await wrapper.errLine(new RegExp(line));
    assert.match(wrapper.errLines.at(-1)!, /error: rest-server was ended by SIGKILL$/);
  });
}

Deno.test("stopping: a rest-server that ends with an error keeps its code", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: { FAKE_CODE: "7" } });
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 7);
});

testWithMount(
  "stopping: a rest-server that had to be killed leaves the disk unmounted all the same",
  async () => {
    await using place = await fakePlace();
    const disk = tmpfsOn(place);
    await using wrapper = place.start({
      ...disk,
      env: { ...disk.env, ...STUBBORN, MNT_STOP: "0.1" },
    });
    await wrapper.outLine(/^ready$/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 137);
    assert.match(wrapper.errLines.at(-1)!, /: unmounted ".*\/mnt"$/);
  },
);
