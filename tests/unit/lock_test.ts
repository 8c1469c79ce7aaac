import assert from "node:assert/strict";
import { files } from "../../mod/edges.ts";
import { lockName, markProcess, parseLockRecord, parseStartTime } from "../../mod/lock.ts";
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

Deno.test("parseLockRecord() reads what was written", () => {
  const records = [
    { target: "/a", wrapper: { pid: 1, startTime: "2" } },
    {
      target: "/a \n\"ü'",
      wrapper: { pid: 1, startTime: "2" },
      server: { pid: 3, startTime: "4" },
      mount: { mountId: 5, majorMinor: "8:1", fsType: "ext4", mountSource: "/dev/sda1" },
    },
  ];
  for (const record of records) {
    assert.deepEqual(parseLockRecord(`${JSON.stringify(record)}\n`), record);
  }
});

Deno.test("parseLockRecord() gives nothing for a file that is empty, cut short or somebody else's", () => {
  const whole = JSON.stringify({ target: "/a", wrapper: { pid: 1, startTime: "2" } });
  for (let end = 0; end < whole.length; end++) {
    assert.equal(parseLockRecord(whole.slice(0, end)), undefined, whole.slice(0, end));
  }
  const bad = [
    "null",
    "1",
    '"/a"',
    "[]",
    "{}",
    '{"target":"/a"}',
    '{"target":1,"wrapper":{"pid":1}}',
    '{"target":"/a","wrapper":null}',
    '{"target":"/a","wrapper":{"pid":"1"}}',
    "1234\n",
    "\0\0\0\0",
  ];
  for (const text of bad) assert.equal(parseLockRecord(text), undefined, text);
});

Deno.test("lockName() is another one for each target, and a name that a file can have", async () => {
  const long = `/${"ü".repeat(300)}`;
  const targets = [
    "/",
    "/a",
    "/a/b",
    "/a%2Fb",
    "/a_b",
    "/a b",
    "/a\nb",
    "/..",
    "/A",
    "/ü",
    long,
    `${long}x`,
    `${long}y`,
    `/${"a".repeat(197)}`,
    `/${"a".repeat(198)}`,
  ];
  const names = await Promise.all(targets.map(lockName));
  assert.equal(new Set(names).size, targets.length);
  for (const name of names) {
    assert.match(name, /^[^/\0]+\.lock$/);
    assert.ok(new TextEncoder().encode(name).length <= 255, name);
  }
  assert.equal(await lockName("/perm/backup"), "%2Fperm%2Fbackup.lock");
  assert.equal(await lockName(long), await lockName(long));
});
