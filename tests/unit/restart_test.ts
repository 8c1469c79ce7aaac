/** Section "exit codes", gokrazy: a rest-server that hardly lived holds the exit back. */
import assert from "node:assert/strict";
import type { Ending, Platform } from "../../mod/exit.ts";
import { delayRestart } from "../../mod/restart.ts";
import type { Run } from "../../mod/run.ts";
import { Signals } from "../../mod/signals.ts";
import { filesOf, worldOf } from "./fake_parts.ts";

const FAILED: Ending = { kind: "exited", code: 1 };

/** A place where runs follow each other: the notes stay, the delays are counted. */
function place(platform: Platform) {
  const notes: Record<string, string> = {};
  const delays: number[] = [];
  const signals = new Signals();
  const world = worldOf({
    platform,
    runDirectory: "/run/x",
    log: { info() {}, warn() {}, error() {} },
    files: {
      ...filesOf(notes),
      readText: (path) => filesOf(notes).readText(path),
      writeText: (path, text) => Promise.resolve(void (notes[path] = text)),
      remove: (path) => Promise.resolve(void delete notes[path]),
    },
    clock: { now: () => 0, sleep: (ms) => Promise.resolve(void delays.push(ms)) },
  });
  const end = (ending: Ending, livedMs: number, name = "/mnt") =>
    delayRestart({ ending, livedMs, lost: false }, name, { signals, world } as unknown as Run);
  return { delays, notes, signals, end, progress: world.progress };
}

Deno.test("on gokrazy each short life in a row doubles the delay, up to a minute", async () => {
  const { delays, end, progress } = place("gokrazy");
  for (let i = 0; i < 9; i++) await end(FAILED, 9_999);
  assert.equal(progress.state.phase, "waiting");
  assert.match(progress.state.text, / 9 times in a row: waiting 60 s before the exit$/);
  assert.deepEqual(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000));
});

Deno.test("a rest-server that lived 10 s begins the count anew, and delays nothing", async () => {
  const { delays, notes, end } = place("gokrazy");
  await end(FAILED, 0);
  await end(FAILED, 0);
  await end(FAILED, 10_000);
  assert.deepEqual(notes, {});
  await end(FAILED, 0);
  assert.deepEqual(delays, [1000, 2000, 1000]);
});

Deno.test("two targets are counted apart", async () => {
  const { delays, end } = place("gokrazy");
  await end(FAILED, 0, "/mnt/a");
  await end(FAILED, 0, "/mnt/b");
  assert.deepEqual(delays, [1000, 1000]);
});

Deno.test("nothing is delayed on a host, after a stop, and where gokrazy does not start again", async () => {
  const host = place("host");
  await host.end(FAILED, 0);
  assert.deepEqual(host.delays, []);
  const gokrazy = place("gokrazy");
  await gokrazy.end({ kind: "failed", failure: "configuration" }, 0);
  gokrazy.signals.take("SIGTERM", 0);
  await gokrazy.end({ kind: "stopped", signal: "SIGTERM" }, 0);
  assert.deepEqual(gokrazy.delays, []);
});
