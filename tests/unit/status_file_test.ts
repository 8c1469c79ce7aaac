/** Keeping the status file: never in the way, never twice, never somebody else's. */
import assert from "node:assert/strict";
import { files } from "../../mod/edges.ts";
import type { Ending } from "../../mod/exit.ts";
import { markProcess } from "../../mod/processes.ts";
import { Progress } from "../../mod/progress.ts";
import { keepStatus, uncleanEnd } from "../../mod/status_file.ts";
import { parseStatusRecord, type StatusRecord } from "../../mod/status_record.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/wait.ts";
import { worldOf } from "./fake_parts.ts";

const CLEAN: Ending = { kind: "stopped", signal: "SIGTERM" };

/** A run whose status is kept in a directory; its pauses last until they are let go. */
function keep(directory: string, { mounts = true, place = () => Promise.resolve(directory) } = {}) {
  const warnings: string[] = [];
  const progress = new Progress(() => 5000);
  const end = Promise.withResolvers<Ending | null>();
  let pause = Promise.withResolvers<void>();
  const world = worldOf({
    pid: Deno.pid,
    files,
    progress,
    log: { info() {}, error() {}, warn: (line) => void warnings.push(line) },
    clock: {
      now: () => 0,
      async sleep(_ms, signal) {
        if (signal?.aborted) return;
        signal?.addEventListener("abort", () => pause.resolve());
        await pause.promise;
        pause = Promise.withResolvers();
      },
    },
  });
  const { promise: ending } = end;
  const kept = keepStatus({ mounts, directory: place, ending, now: () => 9000, world });
  const path = `${directory}/${mounts ? "%2Fmnt" : `pid-${Deno.pid}`}.status`;
  return {
    progress,
    warnings,
    path,
    names: () => [...Deno.readDirSync(directory)].map(({ name }) => name),
    read: async () => parseStatusRecord(await Deno.readTextFile(path)),
    written: (is: (record: StatusRecord) => boolean = () => true) =>
      until(async () => {
        const text = await Deno.readTextFile(path).catch(() => "");
        return text !== "" && is(parseStatusRecord(text));
      }, "the status file"),
    letGo: () => pause.resolve(),
    async end(ending: Ending | null) {
      end.resolve(ending);
      await kept;
    },
  };
}

/** What another run left. */
async function leave(path: string, change: Partial<StatusRecord>): Promise<void> {
  const text = '{"version":1,"wrapper":{"pid":4194305,"startTime":"1"},"phase":"serving",' +
    '"sinceMs":0,"text":"","source":null,"target":null,"fstype":null,"devices":[],"server":null,' +
    '"starts":1,"losses":0,"restarts":2,"failure":null,"ended":null}';
  await Deno.writeTextFile(path, JSON.stringify({ ...parseStatusRecord(text), ...change }));
}

Deno.test("there is no file before the target is locked; then it says who and what, for all to read", async () => {
  await using directory = await tempDirectory();
  const run = keep(directory.path);
  run.progress.enter("starting", "starting");
  run.letGo();
  assert.deepEqual(run.names(), []);
  run.progress.note({ target: "/mnt", source: "/dev/sda1" });
  run.letGo();
  await run.written();
  const record = await run.read();
  assert.deepEqual(record.wrapper, await markProcess(Deno.pid, { files }));
  assert.deepEqual([record.target, record.source, record.restarts], ["/mnt", "/dev/sda1", 0]);
  assert.equal((await Deno.stat(run.path)).mode! & 0o777, 0o644);
  assert.deepEqual(run.names(), ["%2Fmnt.status"]);
  await run.end(CLEAN);
  assert.deepEqual(run.names(), []);
});

Deno.test("changes that come together are one write, of the last of them", async () => {
  await using directory = await tempDirectory();
  const run = keep(directory.path);
  run.progress.note({ target: "/mnt" });
  await run.written();
  const { ino } = await Deno.stat(run.path);
  run.progress.enter("mounting", "1");
  run.progress.enter("serving", "2");
  for (let turn = 0; turn < 10; turn++) {
    assert.equal((await Deno.stat(run.path)).ino, ino, "nothing is written in the pause");
  }
  run.letGo();
  await run.written(({ text }) => text === "2");
  await run.end(CLEAN);
});

Deno.test("a place that cannot be written is one warning, and the run goes on", async () => {
  await using directory = await tempDirectory();
  const places = [
    () => Promise.reject(new Error("read-only")),
    () => Promise.resolve("/proc/nowhere"),
  ];
  for (const place of places) {
    const run = keep(directory.path, { place });
    run.progress.note({ target: "/mnt" });
    await until(() => run.warnings.length > 0, "the warning");
    for (const text of ["1", "2"]) {
      run.progress.enter("serving", text);
      run.letGo();
    }
    await run.end({ kind: "exited", code: 1 });
    assert.equal(run.warnings.length, 1);
    assert.match(run.warnings[0]!, /^Cannot keep a status file: .*; serving goes on without$/);
  }
});

Deno.test("an unclean end stays, with its failure in place of an older one", async () => {
  await using directory = await tempDirectory();
  const cases: [Ending | null, string, string][] = [
    [{ kind: "exited", code: 3 }, "rest-server ended with exit code 3", ""],
    [{ kind: "killed", signal: "SIGSEGV" }, "rest-server was ended by SIGSEGV", ""],
    [null, "a defect of restic-rest-server", ""],
    [{ kind: "failed", failure: "mount" }, "mount or unmount failed", "Cannot mount it"],
  ];
  for (const [ending, ended, told] of cases) {
    const run = keep(directory.path);
    run.progress.note({ target: "/mnt" });
    run.progress.failed(told === "" ? "an older one" : told);
    await run.end(ending);
    const record = await run.read();
    assert.ok(record.ended!.startsWith(ended), record.ended!);
    assert.equal(record.failure!.text, told === "" ? ended : told);
  }
});

Deno.test("a run that is over before anything was written leaves the same as any other", async () => {
  await using directory = await tempDirectory();
  for (
    const { ending, names } of [
      { ending: { kind: "exited", code: 3 } as const, names: ["%2Fmnt.status"] },
      { ending: CLEAN, names: [] },
    ]
  ) {
    const run = keep(directory.path);
    run.progress.note({ target: "/mnt" });
    await run.end(ending);
    assert.deepEqual(run.names(), names);
  }
});

Deno.test("a run that never got its target leaves the other run's file alone", async () => {
  await using directory = await tempDirectory();
  await leave(`${directory.path}/%2Fmnt.status`, { text: "the other" });
  const run = keep(directory.path);
  await run.end({ kind: "failed", failure: "locked" });
  assert.equal((await run.read()).text, "the other");
});

Deno.test("the file of the next run, which began before the end was written, is left alone", async () => {
  await using directory = await tempDirectory();
  for (const ending of [CLEAN, null]) {
    const run = keep(directory.path);
    run.progress.note({ target: "/mnt" });
    await run.written(({ wrapper }) => wrapper.pid === Deno.pid);
    const wrapper = (await markProcess(1, { files }))!;
    await leave(run.path, { wrapper, text: "the next" });
    await run.end(ending);
    assert.equal((await run.read()).text, "the next");
    await Deno.remove(run.path);
  }
});

Deno.test("the runs before are counted, and their failure is kept", async () => {
  await using directory = await tempDirectory();
  const path = `${directory.path}/%2Fmnt.status`;
  const failure = { text: "Cannot mount", atMs: 7 };
  const cases: [Partial<StatusRecord>, RegExp][] = [
    [{ ended: "mount failed", failure }, /^Cannot mount$/],
    [{ failure }, /^the run before, process 4194305, ended without a word: killed, or crashed$/],
  ];
  for (const [left, says] of cases) {
    await leave(path, left);
    const run = keep(directory.path);
    run.progress.note({ target: "/mnt" });
    await run.written(({ wrapper }) => wrapper.pid === Deno.pid);
    const record = await run.read();
    assert.equal(record.restarts, 3);
    assert.match(record.failure!.text, says);
    await run.end(CLEAN);
  }
});

Deno.test("without a mount the file is named after the process, and takes over what dead ones left", async () => {
  await using directory = await tempDirectory();
  const alive = (await markProcess(1, { files }))!;
  await leave(`${directory.path}/pid-4194305.status`, {});
  await leave(`${directory.path}/pid-1.status`, { wrapper: alive });
  await leave(`${directory.path}/%2Fother.status`, { target: "/other" });
  const run = keep(directory.path, { mounts: false });
  await run.written();
  assert.equal((await run.read()).restarts, 3);
  const left = [`pid-${Deno.pid}.status`, "pid-1.status", "%2Fother.status"];
  assert.deepEqual(run.names().toSorted(), left.toSorted());
  await run.end(CLEAN);
  assert.deepEqual(run.names().toSorted(), left.slice(1).toSorted());
});

Deno.test("uncleanEnd(): a stop and an exit with 0 are clean", () => {
  assert.equal(uncleanEnd(CLEAN), null);
  assert.equal(uncleanEnd({ kind: "exited", code: 0 }), null);
});
