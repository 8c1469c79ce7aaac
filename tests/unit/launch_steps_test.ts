/** The launcher's steps before execve(2), against a C library that only takes notes. */
import assert from "node:assert/strict";
import { layArgv } from "../../ffi/execute.ts";
import { follow } from "../../ffi/launch.ts";
import { addressOf, type LauncherLibc } from "../../ffi/libc.ts";
import { type Handover, parseReport } from "../../mod/launch.ts";
import { ERRNO } from "../../mod/linux.ts";

const HANDOVER: Handover = {
  program: "/usr/bin/rest-server",
  parent: 42,
  directory: "/",
  user: { uid: 1000, gid: 100 },
  lowPort: true,
  needs: [{ path: "/mnt", access: "write", cannot: "Cannot write", cure: "chown it" }],
  writes: [{ flag: "--log", path: "/var/log/x" }],
  sandbox: { socketDirectory: null, port: 80 },
  reportFd: 10,
  rootFd: 11,
};

/** Calls in their order; each gives 0, but what `results` says, and a failure is `errno`. */
function notes(results: Readonly<Record<string, number>>, errno: number = ERRNO.ENOENT) {
  const calls: string[] = [];
  let report = "";
  const errnoBytes = Int32Array.of(errno);
  const libc = new Proxy({}, {
    get: (_, name: string) => (...args: unknown[]) => {
      if (name === "__errno_location") return Deno.UnsafePointer.of(errnoBytes);
      if (name === "write") {
        report += new TextDecoder().decode(args[1] as Uint8Array);
        return 0n;
      }
      calls.push(name === "prctl" ? `prctl ${args[0]}` : name);
      return results[name] ?? 0;
    },
  }) as LauncherLibc;
  return { libc, calls, report: () => parseReport(report) };
}

/** follow() changes the environment of its process: here it gets it back. */
function launchWith(handover: Handover, libc: LauncherLibc): number {
  const before = Deno.env.toObject();
  try {
    return follow(handover, ["--no-auth"], libc);
  } finally {
    for (const [name, value] of Object.entries(before)) Deno.env.set(name, value);
  }
}

Deno.test("P4: ids, no_new_privs, Landlock, parent-death signal and execve(2) come in this order", () => {
  const { libc, calls, report } = notes({ landlockCreateRuleset: 7, getppid: 42, execv: -1 });
  assert.equal(launchWith(HANDOVER, libc), 70);
  const order = [
    "chdir",
    "landlockCreateRuleset",
    "prctl 8", // PR_SET_KEEPCAPS
    "setgroups",
    "setresgid",
    "setresuid",
    "capset",
    "access", // what the user must be able to use
    "open", // the files of flags, as that user
    "prctl 38", // PR_SET_NO_NEW_PRIVS
    "landlockRestrictSelf",
    "signal",
    "sigprocmask",
    "prctl 1", // PR_SET_PDEATHSIG, which a change of ids clears
    "getppid",
    "execv",
  ];
  assert.deepEqual(
    order.map((call) => calls.indexOf(call)),
    order.map((call) => calls.indexOf(call)).toSorted((a, b) => a - b),
  );
  assert.ok(order.every((call) => calls.includes(call)));
  assert.equal(report().executed, true);
  assert.equal(report().failure?.kind, "not found");
});

Deno.test("P8: execve(2) that can never work is a matter of configuration, or of the program", () => {
  const cases = [
    [ERRNO.E2BIG, "configuration", /rest-server": argument list too long \(E2BIG\); shorten/],
    [ERRNO.ENOEXEC, "not executable", /rest-server": ENOEXEC \(execve\(2\)\); is it built for/],
    [ERRNO.EAGAIN, "busy", /rest-server": EAGAIN/],
  ] as const;
  for (const [errno, kind, message] of cases) {
    const { libc, report } = notes({ landlockCreateRuleset: 7, getppid: 42, execv: -1 }, errno);
    launchWith(HANDOVER, libc);
    const { failure } = report();
    assert.equal(failure?.kind, kind);
    assert.match(failure?.message ?? "", message);
  }
});

Deno.test("P5: a kernel without Landlock is one warning that names the cure, and rest-server runs", () => {
  const { libc, calls, report } = notes({ landlockCreateRuleset: -1, getppid: 42, execv: -1 });
  launchWith(HANDOVER, libc);
  const { warnings, executed } = report();
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /^this kernel has no Landlock .*without a sandbox; MNT_SANDBOX=off says/,
  );
  assert.equal(executed, true);
  assert.ok(calls.includes("prctl 38"));
  assert.ok(!calls.includes("landlockRestrictSelf"));
});

Deno.test("P5: MNT_SANDBOX=off asks nothing of Landlock and warns of nothing", () => {
  const { libc, calls, report } = notes({ getppid: 42, execv: -1 });
  launchWith({ ...HANDOVER, sandbox: null }, libc);
  assert.deepEqual(calls.filter((call) => call.startsWith("landlock")), []);
  assert.deepEqual(report().warnings, []);
});

Deno.test("P4: a launcher whose wrapper has ended does not become rest-server", () => {
  const { libc, calls, report } = notes({ landlockCreateRuleset: 7, getppid: 1 });
  launchWith(HANDOVER, libc);
  assert.ok(!calls.includes("execv"));
  assert.match(report().failure!.message, /the wrapper has ended$/);
});

Deno.test("P5: nothing is executed where a step of the sandbox fails", () => {
  for (const step of ["landlockAddRule", "landlockRestrictSelf", "setresuid", "capset"]) {
    const { libc, calls, report } = notes(
      { landlockCreateRuleset: 7, getppid: 42, [step]: -1 },
      ERRNO.EPERM,
    );
    launchWith(HANDOVER, libc);
    assert.ok(!calls.includes("execv"), step);
    assert.match(report().failure!.message, /EPERM/, step);
  }
});

Deno.test("P10: argv is one buffer, its pointers lead to its own strings, and NULL ends them", () => {
  const args = ["/usr/bin/rest-server", "", "--path", "/mnt/größe", "x".repeat(10_000)];
  const bytes = layArgv(args);
  const view = new DataView(bytes.buffer);
  const start = addressOf(bytes);
  const pointers = args.map((_, i) => view.getBigUint64(i * 8, true));
  assert.equal(view.getBigUint64(args.length * 8, true), 0n);
  for (const [i, pointer] of pointers.entries()) {
    assert.ok(pointer > start && pointer < start + BigInt(bytes.length));
    assert.equal(Deno.UnsafePointerView.getCString(Deno.UnsafePointer.create(pointer)!), args[i]);
  }
});
