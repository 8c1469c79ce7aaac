import assert from "node:assert/strict";
import { Ahead } from "../../mod/ahead.ts";
import { Failure, type ServerStatus } from "../../mod/exit.ts";
import { findBlkid, findProgram, findServer } from "../../mod/find_program.ts";
import type { Launcher, LaunchReport } from "../../mod/launch.ts";
import { superviseServer } from "../../mod/server.ts";
import { Signals } from "../../mod/signals.ts";
import type { Clock } from "../../mod/world.ts";
import { facts, filesOf, type Node, worldOf } from "./fake_parts.ts";

const PROGRAM = facts("file", { executable: true });
const TEXT = facts("file");
const DIRECTORY = facts("directory", { executable: true });

/** A world with these files and this PATH. */
function world(path: string, nodes: Record<string, Node>) {
  return worldOf({ path, files: filesOf(nodes) });
}

Deno.test("findProgram() takes the first place that has it", async () => {
  const all = { "/usual/x": PROGRAM, "/a/x": PROGRAM, "/b/x": PROGRAM, "/b/y": PROGRAM };
  const cases: [given: string | null, path: string, nodes: Record<string, Node>, string][] = [
    [null, "/a:/b", all, "/usual/x"],
    [null, "/a:/b", { "/b/x": PROGRAM }, "/b/x"],
    ["y", "/a:/b", all, "/b/y"],
    // A name that was given is looked up in PATH alone.
    ["x", "/b:/a", all, "/b/x"],
    ["/opt/x y", "/a", { "/opt/x y": PROGRAM }, "/opt/x y"],
    ["./x", "/a", { "./x": PROGRAM, "/a/./x": PROGRAM }, "./x"],
    // What cannot be run does not end the search.
    [null, "/a:/b", { "/usual/x": TEXT, "/a/x": DIRECTORY, "/b/x": PROGRAM }, "/b/x"],
    [
      null,
      "/a:/b",
      { "/usual/x": new Deno.errors.PermissionDenied(), "/b/x": PROGRAM },
      "/b/x",
    ],
    // Relative directories and empty places in PATH would mean the working directory.
    [
      "x",
      ":.:rel:/b:",
      { "/x": PROGRAM, "./x": PROGRAM, "rel/x": PROGRAM, "/b/x": PROGRAM },
      "/b/x",
    ],
  ];
  for (const [given, path, nodes, expected] of cases) {
    const found = await findProgram("x", given, "/usual/x", "MNT_X", world(path, nodes));
    assert.equal(found, expected, `${given} in ${path}`);
  }
});

async function failure(promise: Promise<unknown>): Promise<[string, string]> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return [error.kind, error.message];
  }
  return assert.fail("found it");
}

Deno.test("findProgram() says every place that was tried", async () => {
  const find = (given: string | null, path: string, nodes: Record<string, Node> = {}) =>
    failure(findProgram("x", given, "/usual/x", "MNT_X", world(path, nodes)));
  assert.deepEqual(await find(null, "/a:/b:/a"), [
    "not found",
    'Cannot find x: tried "/usual/x", "/a/x", "/b/x"; install it, or set MNT_X to its path',
  ]);
  assert.deepEqual(await find("/opt/y", "/a"), [
    "not found",
    'Cannot find x: tried "/opt/y"; install it, or set MNT_X to its path',
  ]);
  assert.deepEqual(await find("/opt/y", "/a", { "/opt/y": TEXT }), [
    "not executable",
    'Cannot run x "/opt/y": it is not an executable file; chmod +x it, or set MNT_X',
  ]);
  assert.equal((await find("/opt", "", { "/opt": DIRECTORY }))[0], "not executable");
});

Deno.test("findServer() and findBlkid() look in the usual places and fail by their own kinds", async () => {
  const both = { "/user/rest-server": PROGRAM, "/usr/local/bin/blkid": PROGRAM };
  assert.equal(await findServer(null, world("", both)), "/user/rest-server");
  assert.equal(await findBlkid(null, world("", both)), "/usr/local/bin/blkid");
  assert.equal((await failure(findServer(null, world("", {}))))[0], "not found");
  const [kind, message] = await failure(findBlkid("/none", world("", {})));
  assert.equal(kind, "configuration");
  assert.match(
    message,
    /^Cannot find blkid: .* MNT_BLKID .*, or name the disk by its path and set/,
  );
});

Deno.test("a process that cannot be started now may be at the next try", () => {
  const cause = new Error("Resource temporarily unavailable");
  const launcher: Launcher = {
    start() {
      throw cause;
    },
  };
  assert.throws(() => new Ahead([], null, worldOf({ launcher })).take(), {
    kind: "busy",
    message:
      /^Cannot start a process for rest-server: Resource temporarily unavailable; check the limi/,
    cause,
  });
});

Deno.test("arguments that are too long are no passing trouble", () => {
  const cause = Object.assign(new Error("Argument list too long (os error 7)"), { code: "E2BIG" });
  const launcher: Launcher = {
    start() {
      throw cause;
    },
  };
  assert.throws(() => new Ahead([], null, worldOf({ launcher })).take(), {
    kind: "configuration",
    message: /^Cannot run rest-server: argument list too long \(E2BIG\); shorten arguments/,
    cause,
  });
});

Deno.test("P8: a SIGHUP of the launch waits until rest-server has its handler", async () => {
  let nowMs = 0;
  const sleepers: { untilMs: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => nowMs,
    sleep: (ms) =>
      ms <= 0
        ? Promise.resolve()
        : new Promise((wake) => void sleepers.push({ untilMs: nowMs + ms, wake })),
  };
  const pass = async (ms: number) => {
    nowMs += ms;
    for (const { untilMs, wake } of sleepers) if (untilMs <= nowMs) wake();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  const got: string[] = [];
  const end = Promise.withResolvers<ServerStatus>();
  const launched = Promise.withResolvers<LaunchReport>();
  const server = {
    pid: 7,
    status: end.promise,
    launched: launched.promise,
    kill: (signal: string) => void got.push(`${nowMs} ${signal}`),
  };
  const signals = new Signals();
  const options = { stopMs: 1000, usesHtpasswd: true };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const supervised = superviseServer(server, signals, options, worldOf({ clock, log }));
  signals.take("SIGHUP", 0);
  await pass(500);
  launched.resolve({ warnings: [], failure: null, executed: true });
  await pass(0);
  await pass(900);
  assert.deepEqual(got, []);
  await pass(100);
  assert.deepEqual(got, ["1500 SIGHUP"]);
  // From then on at once.
  signals.take("SIGHUP", 0);
  await pass(0);
  assert.deepEqual(got, ["1500 SIGHUP", "1500 SIGHUP"]);
  end.resolve({ code: 1, signal: null });
  assert.deepEqual((await supervised).ending, { kind: "exited", code: 1 });
});

Deno.test("P7: a rest-server that SIGKILL does not end is spoken of after 1, 2 and 4 minutes", async () => {
  const said: string[] = [];
  const log = { info: () => {}, warn: (line: string) => said.push(line), error: () => {} };
  const end = Promise.withResolvers<ServerStatus>();
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    sleep: (ms) => {
      nowMs += ms;
      if (nowMs > 300_000) end.resolve({ code: 137, signal: "SIGKILL" });
      return new Promise((resolve) => setTimeout(resolve));
    },
  };
  const signals = new Signals();
  signals.take("SIGTERM", 0);
  const server = { pid: 7, status: end.promise, kill: () => {} };
  const options = { stopMs: 1000, usesHtpasswd: false };
  await superviseServer(server, signals, options, worldOf({ log, clock }));
  assert.deepEqual(
    said.slice(1, 4).map((line) => /\(process 7\) has not ended (\d+) s/.exec(line)?.[1]),
    [
      "60",
      "120",
      "240",
    ],
  );
});

Deno.test("P7: what a rest-server hangs in is ended where SIGKILL does not end it", async () => {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const end = Promise.withResolvers<ServerStatus>();
  const done: string[] = [];
  const clock: Clock = {
    now: () => 0,
    sleep: () => new Promise((resolve) => setTimeout(resolve)),
  };
  const signals = new Signals();
  signals.take("SIGTERM", 0);
  const server = { pid: 7, status: end.promise, kill: (signal: string) => void done.push(signal) };
  const onStuck = () => {
    done.push("stuck");
    // The second call, for the next page, is the one that helps.
    if (done.length === 4) end.resolve({ code: 137, signal: "SIGKILL" });
  };
  const options = { stopMs: 1000, usesHtpasswd: false, onStuck };
  await superviseServer(server, signals, options, worldOf({ log, clock }));
  assert.deepEqual(done.slice(0, 4), ["SIGTERM", "SIGKILL", "stuck", "stuck"]);
});
