/** How rest-server's own end becomes the program's. */
import assert from "node:assert/strict";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";
import { fakePlace, testWithMount, tmpfsOn } from "../support/fake_server.ts";

/** Runs the fake once for each case, four at a time; gives the exit code of each. */
async function codesOf(cases: readonly string[]): Promise<number[]> {
  const codes: number[] = [];
  const runner = async () => {
    await using place = await fakePlace();
    for (let next = turn++; next < cases.length; next = turn++) {
      await using wrapper = place.start({ env: { FAKE_DO: cases[next]! } });
      codes[next] = await wrapper.code();
    }
  };
  let turn = 0;
  await Promise.all([runner(), runner(), runner(), runner()]);
  return codes;
}

Deno.test("P8: each of the 256 exit codes of rest-server comes back as it is", async () => {
  const codes = Array.from({ length: 256 }, (_, code) => code);
  assert.deepEqual(await codesOf(codes.map((code) => `exit ${code}`)), codes);
});

/** Every signal whose default action ends a process: signal(7). */
const FATAL: readonly SignalName[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
];

Deno.test("P8: a rest-server that dies of signal n gives 128+n, for each fatal signal", async () => {
  const numbers = FATAL.map((name) => SIGNALS[name]);
  const codes = await codesOf(numbers.map((number) => `die ${number}`));
  assert.deepEqual(codes, numbers.map((number) => 128 + number));
});

// Deno has no names for the real-time signals and rejects the child's status.
Deno.test("P8: a rest-server that dies of a real-time signal gives 128+n, too", async () => {
  assert.deepEqual(await codesOf(["die 34", "die 64"]), [162, 192]);
});

Deno.test("P9: the log says how rest-server ended, and by what", async () => {
  const cases = [
    ["exit 0", /restic-rest-server: rest-server ended with exit code 0$/],
    ["exit 3", /error: rest-server ended with exit code 3; its own lines above say why$/],
    ["die 11", /error: rest-server was ended by SIGSEGV$/],
  ] as const;
  await using place = await fakePlace();
  for (const [what, line] of cases) {
    await using wrapper = place.start({ env: { FAKE_DO: what } });
    await wrapper.code();
    assert.match(wrapper.errLines.at(-1)!, line);
  }
});

testWithMount("P8: with a mount the codes come back after it is unmounted", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  for (const [what, code] of [["exit 0", 0], ["exit 1", 1], ["exit 32", 32], ["die 9", 137]]) {
    await using wrapper = place.start({ ...disk, env: { ...disk.env, FAKE_DO: String(what) } });
    assert.equal(await wrapper.code(), code, wrapper.errLines.join("\n"));
    assert.match(wrapper.errLines.at(-1)!, /unmounted ".*\/mnt"$/);
  }
});

testWithMount("P9: a machine without /proc is one line, and 78", async () => {
  await using place = await fakePlace();
  const [unshare, ...flags] = tmpfsOn(place).prefix;
  const hidden = 'mount -t tmpfs none /proc; exec "$@"';
  await using wrapper = place.start({ prefix: [unshare!, ...flags, "sh", "-c", hidden, "sh"] });
  assert.equal(await wrapper.code(), 78);
  assert.equal(wrapper.errLines.length, 1, wrapper.errLines.join("\n"));
  assert.match(
    wrapper.errLines[0]!,
    /error: Cannot run without \/proc: .*; mount it \(proc\(5\)\)$/,
  );
  assert.equal(await place.started(), false);
});
