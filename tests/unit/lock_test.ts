import assert from "node:assert/strict";
import { lockName, parseLockRecord } from "../../mod/lock.ts";

Deno.test("parseLockRecord() reads what was written", () => {
  const records = [
    { target: "/a", wrapper: { pid: 1, startTime: "2" } },
    {
      target: "/a \n\"ü'",
      wrapper: { pid: 1, startTime: "2" },
      server: { pid: 3, startTime: "4", executable: "/usr/bin/rest-server" },
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
    '{"target":"/a","wrapper":{"pid":1}}',
    '{"target":"/a","wrapper":{"pid":"1","startTime":"2"}}',
    "1234\n",
    "\0\0\0\0",
  ];
  for (const text of bad) assert.equal(parseLockRecord(text), undefined, text);
});

Deno.test("parseLockRecord() leaves out a rest-server that no process can be", () => {
  const record = { target: "/a", wrapper: { pid: 1, startTime: "2" } };
  const bad = [null, 3, {}, { pid: "self", startTime: "2" }, { pid: 1.5, startTime: "2" }, {
    pid: 3,
  }];
  for (const server of bad) {
    assert.deepEqual(parseLockRecord(JSON.stringify({ ...record, server })), record);
  }
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
