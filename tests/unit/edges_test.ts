import assert from "node:assert/strict";
import { clock, files, programs, sockets, watchDevices } from "../../mod/edges.ts";
import { majorMinor } from "../../mod/linux.ts";
import { tempDirectory } from "../support/temp.ts";
import { until, within } from "../support/wait.ts";

const HOUR_MS = 3_600_000;
/** A signal that does not come. */
const NEVER = new AbortController().signal;

Deno.test("clock.sleep() ends after its time", async () => {
  const startMs = clock.now();
  await clock.sleep(20);
  // A timer may ring a fraction of a millisecond early; sleep() goes on until the time is over.
  assert.ok(clock.now() - startMs >= 20);
  for (const ms of [0, -1, -Infinity, NaN]) await within(clock.sleep(ms), `sleep ${ms}`);
});

Deno.test("P7: clock.sleep() ends at once by an abort, at whatever length", async () => {
  for (const ms of [HOUR_MS, 2 ** 31 + 1000, 1e12, Infinity]) {
    await within(clock.sleep(ms, AbortSignal.abort()), "sleep after an abort");
    const abort = new AbortController();
    const sleeping = clock.sleep(ms, abort.signal);
    abort.abort();
    await within(sleeping, `sleep ${ms} with an abort`);
  }
});

Deno.test("clock.sleep() leaves neither timer nor listener behind", async () => {
  const target = new EventTarget();
  let listeners = 0;
  const signal = {
    aborted: false,
    addEventListener: (type: string, fn: () => void) => {
      listeners++;
      target.addEventListener(type, fn);
    },
    removeEventListener: (type: string, fn: () => void) => {
      listeners--;
      target.removeEventListener(type, fn);
    },
  } as unknown as AbortSignal;
  for (let i = 0; i < 10; i++) await clock.sleep(1, signal);
  assert.equal(listeners, 0);
});

Deno.test("files.stat() tells the kinds of nodes apart, and null from an error", async () => {
  await using temp = await tempDirectory();
  const { path } = temp;
  await Deno.writeTextFile(`${path}/file`, "");
  await Deno.writeTextFile(`${path}/program`, "", { mode: 0o755 });
  await Deno.symlink("file", `${path}/link`);
  await Deno.symlink("nowhere", `${path}/dangling`);
  await Deno.symlink("loop", `${path}/loop`);
  using _listener = Deno.listen({ transport: "unix", path: `${path}/socket` });
  const cases: [string, string | undefined, boolean | undefined][] = [
    [`${path}/file`, "file", false],
    [`${path}/program`, "file", true],
    [`${path}/link`, "file", false],
    [path, "directory", true],
    [`${path}/socket`, "socket", undefined],
    ["/dev/null", "other", false],
    [`${path}/missing`, undefined, undefined],
    [`${path}/dangling`, undefined, undefined],
    [`${path}/file/below`, undefined, undefined],
  ];
  for (const [node, kind, executable] of cases) {
    const found = await files.stat(node);
    assert.equal(found?.kind, kind, node);
    if (executable !== undefined) assert.equal(found?.executable, executable, node);
  }
  await assert.rejects(files.stat(`${path}/loop`));
  assert.equal(majorMinor((await files.stat("/dev/null"))!.rdev), "1:3");
  const [file, link] = [await files.stat(`${path}/file`), await files.stat(`${path}/link`)];
  assert.equal(file!.inode, link!.inode);
});

Deno.test("files.readAt() reads what is there, from anywhere", async () => {
  await using temp = await tempDirectory();
  const path = `${temp.path}/file`;
  await Deno.writeFile(path, Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff));
  const cases: [offset: number, length: number, expected: number[]][] = [
    [0, 3, [0, 1, 2]],
    [998, 10, [230, 231]],
    [1000, 10, []],
    [5000, 10, []],
    [10, 0, []],
  ];
  for (const [offset, length, expected] of cases) {
    assert.deepEqual([...await files.readAt(path, offset, length)], expected);
  }
  await assert.rejects(files.readAt(`${path}x`, 0, 1), Deno.errors.NotFound);
});

Deno.test("files writes for this user alone, makes directories with their parents, and removes", async () => {
  await using temp = await tempDirectory();
  const directory = `${temp.path}/a/b`;
  await files.makeDirectory(directory);
  await files.makeDirectory(directory, 0o700);
  await files.writeText(`${directory}/c`, "long text");
  await files.writeText(`${directory}/c`, "ü");
  assert.equal(await files.readText(`${directory}/c`), "ü");
  assert.equal((await Deno.stat(`${directory}/c`)).mode! & 0o777, 0o600);
  assert.deepEqual(await files.list(directory), ["c"]);
  await assert.rejects(files.makeDirectory(`${directory}/c`));
  await files.remove(`${directory}/c`);
  await assert.rejects(files.remove(`${directory}/c`), Deno.errors.NotFound);
  await Deno.symlink("target", `${directory}/link`);
  assert.equal(await files.readLink(`${directory}/link`), "target");
  await Deno.remove(`${directory}/link`);
  assert.equal(await files.realPath(`${directory}/../b`), await Deno.realPath(directory));
});

Deno.test("programs.output() gives code, signal and both outputs", async () => {
  const sh = (script: string) =>
    programs.output("/bin/sh", ["-c", script, "sh", ""], HOUR_MS, NEVER);
  assert.deepEqual(await sh('printf "out %s" "$#"; printf "err ü" >&2; exit 2'), {
    code: 2,
    signal: null,
    stdout: "out 1",
    stderr: "err ü",
  });
  assert.equal((await sh("read line || echo ended")).stdout, "ended\n");
  assert.equal((await sh('echo "$LC_ALL"')).stdout, "C.UTF-8\n");
  assert.equal((await sh("kill -TERM $$")).signal, "SIGTERM");
  await assert.rejects(programs.output("/no/such/program", [], 1000, NEVER), Deno.errors.NotFound);
  await assert.rejects(
    programs.output("/etc/passwd", [], 1000, NEVER),
    Deno.errors.PermissionDenied,
  );
});

Deno.test("P7: programs.output() takes a long answer, and does not keep one without end", async () => {
  const sh = (script: string) => programs.output("/bin/sh", ["-c", script], HOUR_MS, NEVER);
  const { stdout } = await sh("head -c 1048576 /dev/zero | tr '\\0' x");
  assert.equal(stdout.length, 1024 ** 2);
  for (const endless of ["exec yes", "exec yes >&2"]) {
    await assert.rejects(
      within(sh(endless), endless),
      /^Error: "\/bin\/sh" printed more than 1 MiB$/,
    );
  }
});

Deno.test("P7: programs.output() kills a program that does not end", async () => {
  const output = await within(
    programs.output("/bin/sh", ["-c", "trap '' TERM; echo begun; exec sleep 3600"], 200, NEVER),
    "a program that does not end",
  );
  assert.equal(output.signal, "SIGKILL");
  assert.equal(output.code, 137);
});

Deno.test("P7: programs.output() kills a program at once when it is told to stop", async () => {
  const stop = new AbortController();
  const output = programs.output("/bin/sh", ["-c", "exec sleep 3600"], HOUR_MS, stop.signal);
  stop.abort();
  assert.equal((await within(output, "end by a stop")).signal, "SIGKILL");
});

// A blkid that is a script can leave a process behind that holds its pipes.
Deno.test("P7: programs.output() ends at its limit though a process left behind holds the pipes", async () => {
  await using temp = await tempDirectory();
  const file = `${temp.path}/pid`;
  const script = `sleep 3600 & echo $! > "${file}"`;
  const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = descriptors();
  const { signal } = await within(
    programs.output("/bin/sh", ["-c", script], 200, NEVER),
    "a program that left one behind",
  );
  assert.equal(signal, "SIGKILL");
  await until(() => descriptors() === before, "its pipes closed");
  Deno.kill(Number(await Deno.readTextFile(file)), "SIGKILL");
});

Deno.test("programs.start() gives the end, and a signal to the dead is no error", async () => {
  const ended = programs.start("/bin/sh", ["-c", "exit 7"]);
  assert.deepEqual(await ended.status, { code: 7, signal: null });
  ended.kill("SIGTERM");
  const killed = programs.start("/bin/sh", ["-c", "exec sleep 3600"]);
  assert.ok(killed.pid > 1);
  killed.kill("SIGKILL");
  assert.deepEqual(await killed.status, { code: 137, signal: "SIGKILL" });
  assert.throws(() => programs.start("/no/such/program", []), Deno.errors.NotFound);
});

Deno.test("sockets.tcpFault() tells an address in use from a free one, on both families", async () => {
  for (const taken of ["127.0.0.1", "0.0.0.0"]) {
    using listener = Deno.listen({ hostname: taken, port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    for (const host of ["", "0.0.0.0", "127.0.0.1"]) {
      assert.equal(await sockets.tcpFault(host, port), "in use", `${host} beside ${taken}`);
    }
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  assert.equal(await sockets.tcpFault("127.0.0.1", port), null);
  assert.equal(await sockets.tcpFault("", port), null);
  // 192.0.2.0/24 is for documentation: no machine has it.
  assert.equal(await sockets.tcpFault("192.0.2.1", port), "other");
});

Deno.test("sockets.unixAnswers() tells a live socket from a dead one", async () => {
  await using temp = await tempDirectory();
  const path = `${temp.path}/socket`;
  const listener = Deno.listen({ transport: "unix", path });
  assert.equal(await sockets.unixAnswers(path), true);
  listener.close();
  await Deno.writeTextFile(`${temp.path}/file`, "");
  for (const dead of [path, `${temp.path}/file`, `${temp.path}/missing`]) {
    assert.equal(await sockets.unixAnswers(dead), false, dead);
  }
});

/** Waits until the directory has been heard of a path; other events come between. */
async function heard(events: ReturnType<typeof watchDevices>, path: string): Promise<void> {
  const { signal } = new AbortController();
  for (;;) {
    const event = await within(events.next(HOUR_MS, signal), `event of ${path}`);
    if (event?.written.includes(path)) return;
  }
}

Deno.test("watchDevices() tells of nodes that are made, written to and removed", async () => {
  await using temp = await tempDirectory();
  const directory = await Deno.realPath(temp.path);
  const path = `${directory}/sda1`;
  const events = watchDevices(directory);
  try {
    const made = heard(events, path);
    await Deno.writeTextFile(path, "");
    await made;
    await Deno.writeTextFile(path, "more");
    await heard(events, path);
    await Deno.remove(path);
    await heard(events, path);
  } finally {
    events.close();
  }
});

Deno.test("watchDevices() only waits where there is nothing to watch, and ends by an abort", async () => {
  const events = watchDevices("/no/such/directory");
  assert.equal(await events.next(1, new AbortController().signal), null);
  const abort = new AbortController();
  const next = events.next(HOUR_MS, abort.signal);
  abort.abort();
  assert.equal(await within(next, "abort"), null);
  events.close();
});

Deno.test("sockets.unixAnswers() does not take a datagram socket, which nobody can connect to, for a dead one", async () => {
  await using temp = await tempDirectory();
  const path = `${temp.path}/log`;
  const libc = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const [AF_UNIX, SOCK_DGRAM] = [1, 2];
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM, 0);
  const address = new Uint8Array([AF_UNIX, 0, ...new TextEncoder().encode(path), 0]);
  assert.equal(libc.symbols.bind(fd, address, address.length), 0);
  try {
    assert.equal(await sockets.unixAnswers(path), true);
  } finally {
    libc.symbols.close(fd);
    libc.close();
  }
});
