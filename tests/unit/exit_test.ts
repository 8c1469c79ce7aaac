import assert from "node:assert/strict";
import {
  type Ending,
  EXIT,
  exitCode,
  Failure,
  type FailureKind,
  fileFailure,
  judgeServer,
  restartDelayMs,
  type ServerStatus,
  withUnmount,
} from "../../mod/exit.ts";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";

const ALL_SIGNALS = Object.keys(SIGNALS) as SignalName[];
const ALL_FAILURES = Object.keys(EXIT) as FailureKind[];
const CODES = Array.from({ length: 256 }, (_, code) => code);
const ENDINGS: Ending[] = [
  ...ALL_SIGNALS.map((signal): Ending => ({ kind: "stopped", signal })),
  ...ALL_SIGNALS.map((signal): Ending => ({ kind: "killed", signal })),
  ...CODES.map((code): Ending => ({ kind: "exited", code })),
  ...ALL_FAILURES.map((failure): Ending => ({ kind: "failed", failure })),
];

Deno.test("P8: EXIT holds the codes of the design", () => {
  const codes = ALL_FAILURES.map((kind) => [kind, EXIT[kind].host, EXIT[kind].gokrazy]);
  assert.deepEqual(codes, [
    ["configuration", 78, 125],
    ["locked", 75, 75],
    ["busy", 75, 75],
    ["not executable", 126, 125],
    ["not found", 127, 125],
    ["not permitted", 77, 125],
    ["no device", 69, 69],
    ["mount", 32, 32],
    ["defect", 70, 70],
  ]);
});

Deno.test("P8: on gokrazy nothing ends supervision but what a restart cannot cure", () => {
  for (const ending of ENDINGS) {
    const code = exitCode(ending, "gokrazy");
    assert.notEqual(code, 0, JSON.stringify(ending));
    const final = ending.kind === "failed" && EXIT[ending.failure].gokrazy === 125;
    assert.equal(code === 125, final, JSON.stringify(ending));
  }
});

Deno.test("P8: elsewhere only a clean end is 0", () => {
  for (const ending of ENDINGS) {
    const clean = ending.kind === "stopped" || (ending.kind === "exited" && ending.code === 0);
    assert.equal(exitCode(ending, "host") === 0, clean, JSON.stringify(ending));
  }
});

Deno.test("exitCode() passes on each code and signal of rest-server", () => {
  for (const code of CODES) {
    const ending: Ending = { kind: "exited", code };
    assert.equal(exitCode(ending, "host"), code);
    assert.equal(exitCode(ending, "gokrazy"), code === 0 || code === 125 ? 75 : code);
  }
  for (const signal of ALL_SIGNALS) {
    const number = 128 + SIGNALS[signal];
    assert.equal(exitCode({ kind: "killed", signal }, "host"), number);
    assert.equal(exitCode({ kind: "killed", signal }, "gokrazy"), number);
    assert.equal(exitCode({ kind: "stopped", signal }, "gokrazy"), number);
  }
});

Deno.test("every exit code is one that a process can have", () => {
  for (const ending of ENDINGS) {
    for (const platform of ["host", "gokrazy"] as const) {
      const code = exitCode(ending, platform);
      assert.ok(Number.isInteger(code) && code >= 0 && code <= 255, JSON.stringify(ending));
    }
  }
});

Deno.test("judgeServer() tells a stop from an end and from a kill", () => {
  const cases: [ServerStatus, SignalName | undefined, SignalName[], Ending][] = [
    // By itself.
    [{ code: 0, signal: null }, undefined, [], { kind: "exited", code: 0 }],
    [{ code: 1, signal: null }, undefined, [], { kind: "exited", code: 1 }],
    [{ code: 0, signal: null }, undefined, ["SIGHUP"], { kind: "exited", code: 0 }],
    [{ code: 139, signal: "SIGSEGV" }, undefined, [], { kind: "killed", signal: "SIGSEGV" }],
    [{ code: 143, signal: "SIGTERM" }, undefined, [], { kind: "killed", signal: "SIGTERM" }],
    // Forwarded, and rest-server died of it: nobody asked for a stop.
    [{ code: 138, signal: "SIGUSR1" }, undefined, ["SIGUSR1"], {
      kind: "killed",
      signal: "SIGUSR1",
    }],
    // Stopped.
    [{ code: 0, signal: null }, "SIGTERM", ["SIGTERM"], { kind: "stopped", signal: "SIGTERM" }],
    [{ code: 0, signal: null }, "SIGINT", ["SIGINT"], { kind: "stopped", signal: "SIGINT" }],
    // It died of the very signal before it could handle it.
    [{ code: 143, signal: "SIGTERM" }, "SIGTERM", ["SIGTERM"], {
      kind: "stopped",
      signal: "SIGTERM",
    }],
    [{ code: 143, signal: "SIGTERM" }, "SIGINT", ["SIGINT"], { kind: "killed", signal: "SIGTERM" }],
    [{ code: 1, signal: null }, "SIGTERM", ["SIGTERM"], { kind: "exited", code: 1 }],
    [{ code: 139, signal: "SIGSEGV" }, "SIGTERM", ["SIGTERM"], {
      kind: "killed",
      signal: "SIGSEGV",
    }],
    // It did not stop in time.
    [{ code: 137, signal: "SIGKILL" }, "SIGTERM", ["SIGTERM", "SIGKILL"], {
      kind: "killed",
      signal: "SIGKILL",
    }],
    [{ code: 0, signal: null }, "SIGTERM", ["SIGTERM", "SIGKILL"], { kind: "exited", code: 0 }],
    // Killed by somebody else while it stopped.
    [{ code: 137, signal: "SIGKILL" }, "SIGTERM", ["SIGTERM"], {
      kind: "killed",
      signal: "SIGKILL",
    }],
  ];
  for (const [status, stopSignal, sent, expected] of cases) {
    assert.deepEqual(judgeServer(status, stopSignal, new Set(sent)), expected);
  }
});

Deno.test("withUnmount() lets the first failure decide", () => {
  const lost: Ending = { kind: "failed", failure: "mount" };
  for (const ending of ENDINGS) {
    assert.equal(withUnmount(ending, true), ending);
    const clean = ending.kind === "stopped" || (ending.kind === "exited" && ending.code === 0);
    assert.deepEqual(withUnmount(ending, false), clean ? lost : ending);
  }
});

Deno.test("restartDelayMs() grows from 1 s to 60 s and stays there", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8, 100, 1e9].map(restartDelayMs), [
    1000,
    2000,
    4000,
    8000,
    16_000,
    32_000,
    60_000,
    60_000,
    60_000,
    60_000,
  ]);
});

Deno.test("Failure keeps its kind and its cause", () => {
  const cause = new Error("why");
  const failure = new Failure("mount", "text", { cause });
  assert.equal(failure.name, "Failure");
  assert.equal(failure.kind, "mount");
  assert.equal(failure.message, "text");
  assert.equal(failure.cause, cause);
});

Deno.test("fileFailure() never blames the configuration for a disk in trouble: 125 would end gokrazy's supervision", () => {
  const withCode = (code: string) => Object.assign(new Error("x"), { code });
  for (const code of ["EIO", "ENODEV", "ESTALE", "EMFILE"]) {
    assert.equal(fileFailure(withCode(code)), "mount", code);
  }
  for (const code of ["ENOENT", "EACCES", "ELOOP", "ENOTDIR", "EROFS"]) {
    assert.equal(fileFailure(withCode(code)), "configuration", code);
  }
  for (const error of [new Error("no code"), null, "text"]) {
    assert.equal(fileFailure(error), "configuration");
  }
});
