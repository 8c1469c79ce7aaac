import assert from "node:assert/strict";
import { kernelMessages, parseKernelRecord } from "../../mod/kmsg.ts";
import { fixture } from "./fixture.ts";

/** Records as read(2) gives them: continuation lines belong to the record before. */
async function records(name: string): Promise<string[]> {
  return (await fixture(`kmsg/${name}.txt`)).split(/\n(?! )/).filter((record) => record !== "");
}

Deno.test("parseKernelRecord() reads what /dev/kmsg says", async () => {
  const [unknown, xfs, program] = (await records("mount")).map(parseKernelRecord);
  assert.deepEqual(unknown, {
    level: 3,
    sequence: 1320,
    timeUs: 3654808600,
    message: "ext4: Unknown parameter 'bad\\opt'",
  });
  assert.equal(xfs!.message, "XFS (loop0): Invalid superblock magic number");
  assert.equal(xfs!.level, 4);
  assert.equal(program!.message, 'a program: ümlaut \\ and "quotes"');
  assert.equal(program!.level, 4);
});

Deno.test("parseKernelRecord() leaves out continuation lines", async () => {
  const boot = await records("boot");
  assert.equal(boot.length, 2);
  for (const record of boot) {
    assert.match(record, /\n SUBSYSTEM=virtio\n/);
    assert.match(parseKernelRecord(record).message, /^virtio_blk virtio1: [^\n]*$/);
  }
});

Deno.test("parseKernelRecord() takes odd records", () => {
  const cases: [string, string][] = [
    ["6,1,0,-;", ""],
    ["6,1,0,-;a;b,c", "a;b,c"],
    // A caller's id, and fields that a later kernel may add.
    ["6,1,0,c,caller=T12,more;text\n", "text"],
    ["6,1,0,-;\\x5cx41", "\\x41"],
    ["6,1,0,-;\\xe2\\x82\\xac \\xff", "€ \ufffd"],
    ["6,1,0,-;\\x4", "\\x4"],
    ["191,18446744073709551615,18446744073709551615,-;x", "x"],
  ];
  for (const [record, message] of cases) {
    assert.equal(parseKernelRecord(record).message, message, record);
  }
  assert.equal(parseKernelRecord("191,1,0,-;x").level, 7);
});

Deno.test("parseKernelRecord() refuses what is no record", async () => {
  const bad = [
    await fixture("kmsg/bad-dmesg.txt"),
    "",
    ";",
    "6,1,0",
    "6,1,;x",
    "6,1,0;x",
    "-6,1,0,-;x",
    " SUBSYSTEM=block",
    "<6>text",
  ];
  for (const text of bad) {
    assert.throws(() => parseKernelRecord(text), {
      name: "SyntaxError",
      message: /^Cannot parse \/dev\/kmsg record: "/,
    }, text);
  }
});

Deno.test("kernelMessages() gives the kernel's own words, oldest first, each once", async () => {
  assert.deepEqual(kernelMessages(await records("mount")), [
    "ext4: Unknown parameter 'bad\\opt'",
    "XFS (loop0): Invalid superblock magic number",
  ]);
  const record = (priority: number, text: string) => `${priority},1,0,-;${text}\n`;
  const cases: [string[], number | undefined, string[]][] = [
    [[], undefined, []],
    [["garbage", record(3, "a"), "", record(3, " "), record(3, "")], undefined, ["a"]],
    [[record(3, "a"), record(4, "a"), record(7, "b")], undefined, ["a", "b"]],
    [[record(8, "a"), record(14, "b"), record(191, "c")], undefined, []],
    [["a", "b", "c"].map((text) => record(6, text)), 2, ["b", "c"]],
    [["1", "2", "3", "4", "5", "6"].map((text) => record(6, text)), undefined, [
      "2",
      "3",
      "4",
      "5",
      "6",
    ]],
    [[record(6, "__proto__"), record(6, "constructor")], undefined, ["__proto__", "constructor"]],
  ];
  for (const [input, limit, expected] of cases) {
    assert.deepEqual(kernelMessages(input, limit === undefined ? {} : { limit }), expected);
  }
});
