import assert from "node:assert/strict";
import { files } from "../../mod/edges.ts";
import { isAlive, markProcess, markServer, parseStartTime } from "../../mod/processes.ts";
import { filesOf, worldOf } from "./fake_parts.ts";

/** Fields 3 to 52 of proc(5), each its own number. */
const FIELDS = Array.from({ length: 50 }, (_, i) => String(i + 3)).join(" ");

Deno.test("parseStartTime() finds field 22, whatever the process is called", () => {
  for (const name of ["sh", "a b", "a) S 1 (b", ")))", "", "1 2 3", "line\nend", "ü"]) {
    assert.equal(parseStartTime(`123 (${name}) ${FIELDS}\n`), "22", name);
  }
});

Deno.test("parseStartTime() gives nothing for a text that was cut short", () => {
  for (const text of ["", "123", "123 (sh", "123 (sh)", "123 (sh) S 1 2"]) {
    assert.equal(parseStartTime(text), undefined, text);
  }
});

Deno.test("markProcess() knows this process again, and no process that is gone", async () => {
  const world = worldOf({ files });
  const mark = await markProcess(Deno.pid, world);
  assert.equal(mark!.pid, Deno.pid);
  assert.match(mark!.startTime, /^\d+$/);
  assert.deepEqual(await markProcess(Deno.pid, world), mark);
  assert.equal(await markProcess(4_194_305, world), undefined);
  assert.equal(
    await markProcess(1, worldOf({ files: filesOf({ "/proc/1/stat": "1 (" }) })),
    undefined,
  );
});

/** `/proc/7`, as far as it is asked. */
function processOf(state: string, executable = "/usr/bin/rest-server") {
  return worldOf({
    files: filesOf({
      "/proc/7/stat": `7 (rest) Z 1) ${state} ${FIELDS.slice(2)}\n`,
      "/proc/7/exe": executable,
    }),
  });
}

Deno.test("a zombie is gone, and so is its mark; a process that sleeps or is stopped lives", async () => {
  const mark = { pid: 7, startTime: "22" };
  for (const state of ["R", "S", "D", "T", "t", "I"]) {
    assert.deepEqual(await markProcess(7, processOf(state)), mark, state);
    assert.equal(await isAlive(mark, processOf(state)), true, state);
  }
  for (const state of ["Z", "X"]) {
    assert.equal(await markProcess(7, processOf(state)), undefined, state);
    assert.equal(await isAlive(mark, processOf(state)), false, state);
  }
});

Deno.test("isAlive() is false for a pid that was used again, and for no mark at all", async () => {
  assert.equal(await isAlive({ pid: 7, startTime: "21" }, processOf("S")), false);
  assert.equal(await isAlive({ pid: 8, startTime: "22" }, processOf("S")), false);
  assert.equal(await isAlive(undefined, processOf("S")), false);
});

Deno.test("markServer() names what runs, also where the file was replaced meanwhile", async () => {
  const expected = { pid: 7, startTime: "22", executable: "/usr/bin/rest-server" };
  assert.deepEqual(await markServer(7, processOf("S")), expected);
  const replaced = processOf("S", "/usr/bin/rest-server (deleted)");
  assert.deepEqual(await markServer(7, replaced), expected);
  assert.equal(await markServer(8, processOf("S")), undefined);
  const own = await markServer(Deno.pid, worldOf({ files }));
  assert.equal(own!.executable, await Deno.realPath(Deno.execPath()));
});
