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

Deno.test("kernelMessages() leaves out what is about other disks, and dumps", () => {
  const about = { names: ["sda", "sda1"], fstype: "ext4" };
  const lines = (texts: readonly string[]) => texts.map((text) => `4,1,0,-;${text}\n`);
  const ours = [
    "ext4: Unknown parameter 'x'",
    "EXT4-fs (sda1): bad geometry",
    "I/O error, dev sda, sector 2",
    "sd 0:0:0:0: [sda] tag#0 FAILED Result",
    "JBD2: no valid journal superblock found",
    "mmc0: sdhci: timeout waiting for hardware interrupt",
    "usb 1-1: reset high-speed USB device number 2 using xhci_hcd",
    'audit: type=1400 audit(1:2): apparmor="DENIED" operation="mount"',
  ];
  const others = [
    "loop6: detected capacity change from 0 to 131072",
    "EXT4-fs (sdb1): recovery complete",
    "EXT4-fs (sda11): recovery complete",
    "BTRFS info (device loop6): using crc32c checksum algorithm",
    "BTRFS: device label x devid 2 transid 6 /dev/nvme0n1p2 (7:5) scanned by mount (2)",
    "EXT4-fs (dm-0): mounted",
    "EXT4-fs mount: 94 callbacks suppressed",
    "wlan0: authenticated",
    'audit: type=1400 audit(1:2): apparmor="STATUS" operation="profile_load"',
    "00000000: 58 46 53 42 00 00 10 00 00 00 00 00 00 01 40 00  XFSB..........@.",
  ];
  const options = { about, limit: 100 };
  assert.deepEqual(kernelMessages(lines([...others, ...ours]), options), ours);
  const any = { about: { ...about, fstype: "" } };
  assert.deepEqual(kernelMessages(lines(others.slice(0, 8)), any), ["wlan0: authenticated"]);
  for (
    const [fstype, line] of [["nfs4", "NFS: bad option"], ["vfat", "FAT-fs: bad option"], [
      "vfat",
      "vfat: Unknown x",
    ]]
  ) {
    const few = { about: { names: [], fstype: fstype! } };
    assert.deepEqual(kernelMessages(lines(["wlan0: up", line!]), few), [line]);
  }
});

Deno.test("kernelMessages() leaves out remarks before errors where there are many", () => {
  const info = ["a", "b", "c", "d"].map((text) => `6,1,0,-;${text}\n`);
  const records = ["5,1,0,-;notice\n", ...info, "3,1,0,-;error\n"];
  assert.deepEqual(kernelMessages(records), ["notice", "error"]);
  assert.deepEqual(kernelMessages(records, { limit: 6 }).length, 6);
});
