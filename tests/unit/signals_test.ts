import assert from "node:assert/strict";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";
import { FORWARDED_SIGNALS, maskHolds, SAME_KEYPRESS_MS, Signals } from "../../mod/signals.ts";

/** Why a signal is not forwarded; see signal(7). */
const LEFT_OUT: Readonly<Record<string, readonly SignalName[]>> = {
  "cannot be taken": ["SIGKILL", "SIGSTOP"],
  "reports a defect": [
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGILL",
    "SIGSEGV",
    "SIGSYS",
    "SIGTRAP",
  ],
  "ignored by the runtime": ["SIGPIPE"],
  "ignored here, for the runtime would open a debugger": ["SIGUSR1"],
  "does not end a process by default": [
    "SIGCHLD",
    "SIGCONT",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGWINCH",
  ],
};

Deno.test("every signal is either forwarded once or left out for a reason", () => {
  const forwarded = FORWARDED_SIGNALS.map(({ name }) => name);
  const all = [...forwarded, ...Object.values(LEFT_OUT).flat()];
  assert.deepEqual(all.toSorted(), Object.keys(SIGNALS).toSorted());
});

Deno.test("Signals holds a stop that came before anybody listened", () => {
  for (const { name, alone } of FORWARDED_SIGNALS) {
    const signals = new Signals();
    signals.take(name, 0);
    assert.equal(signals.stopSignal, alone === "stop" ? name : undefined, name);
    assert.equal(signals.stopping.aborted, alone === "stop", name);
    assert.equal(signals.hurrying.aborted, false, name);
  }
});

Deno.test("Signals stops a serving program by SIGTERM and SIGINT alone", () => {
  for (const { name, action } of FORWARDED_SIGNALS) {
    const signals = new Signals();
    const heard: SignalName[] = [];
    const unlisten = signals.listen((signal) => heard.push(signal));
    signals.take(name, 0);
    assert.equal(signals.stopSignal, action === "stop" ? name : undefined, name);
    assert.deepEqual(heard, [name]);
    unlisten();
  }
});

Deno.test("Signals keeps the first stop, whatever follows", () => {
  const signals = new Signals();
  let aborts = 0;
  signals.stopping.addEventListener("abort", () => aborts++);
  signals.take("SIGINT", 0);
  signals.take("SIGTERM", 1000);
  signals.take("SIGQUIT", 2000);
  assert.equal(signals.stopSignal, "SIGINT");
  assert.equal(aborts, 1);
  assert.equal(signals.hurrying.aborted, false);
});

Deno.test("Signals hurries at a second SIGINT, but not at the same keypress", () => {
  const cases: [first: SignalName, second: SignalName, afterMs: number, hurries: boolean][] = [
    ["SIGINT", "SIGINT", 0, false],
    ["SIGINT", "SIGINT", SAME_KEYPRESS_MS, false],
    ["SIGINT", "SIGINT", SAME_KEYPRESS_MS + 1, true],
    ["SIGTERM", "SIGINT", SAME_KEYPRESS_MS + 1, true],
    ["SIGINT", "SIGTERM", 5000, false],
    ["SIGTERM", "SIGTERM", 5000, false],
    ["SIGHUP", "SIGINT", 5000, false],
  ];
  for (const [first, second, afterMs, hurries] of cases) {
    const signals = new Signals();
    signals.take(first, 1000);
    signals.take(second, 1000 + afterMs);
    assert.equal(signals.hurrying.aborted, hurries, `${first} ${second} ${afterMs}`);
  }
  // A third one, long after a doubled first.
  const signals = new Signals();
  for (const ms of [0, 10, 20, 300]) signals.take("SIGINT", ms);
  assert.equal(signals.hurrying.aborted, true);
});

Deno.test("Signals calls each listener until it is taken off", () => {
  const signals = new Signals();
  const heard: string[] = [];
  const offA = signals.listen((signal) => heard.push(`a ${signal}`));
  const offB = signals.listen((signal) => heard.push(`b ${signal}`));
  signals.take("SIGHUP", 0);
  offA();
  offA();
  signals.take("SIGUSR1", 0);
  offB();
  signals.take("SIGUSR2", 0);
  assert.deepEqual(heard, ["a SIGHUP", "b SIGHUP", "b SIGUSR1"]);
});

Deno.test("Signals lets a listener take itself off while it is called", () => {
  const signals = new Signals();
  let heard = 0;
  const off = signals.listen(() => {
    heard++;
    off();
  });
  signals.take("SIGHUP", 0);
  signals.take("SIGHUP", 0);
  assert.equal(heard, 1);
});

Deno.test("maskHolds() reads the masks of /proc/self/status", () => {
  const status = "Name:\tSigIgn:\t1\nSigBlk:\t0000000000000002\nSigIgn:\t8000000000001001\n" +
    "SigCgt:\t0000000000000800\n";
  const cases: ["SigIgn" | "SigBlk" | "SigCgt", number, boolean][] = [
    ["SigIgn", 1, true],
    ["SigIgn", 2, false],
    ["SigIgn", 13, true],
    ["SigIgn", 64, true],
    ["SigBlk", 2, true],
    ["SigBlk", 1, false],
    ["SigCgt", 12, true],
    ["SigCgt", 13, false],
  ];
  for (const [field, number, expected] of cases) {
    assert.equal(maskHolds(status, field, number), expected, `${field} ${number}`);
  }
  assert.equal(maskHolds("", "SigIgn", 1), false);
  assert.equal(maskHolds("SigIgn:\tx\n", "SigIgn", 1), false);
});
