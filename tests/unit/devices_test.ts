/** blkid's answers, and what one look at the disks makes of them. */
import assert from "node:assert/strict";
import { mergeSettings, type MountConfig, parseConfig } from "../../mod/config.ts";
import { waitForSource } from "../../mod/devices.ts";
import { askBlkid } from "../../mod/ask_blkid.ts";
import { clock, files, programs, watchDevices } from "../../mod/edges.ts";
import { Failure } from "../../mod/exit.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import type { ProgramOutput, World } from "../../mod/world.ts";
import { tempDirectory } from "../support/temp.ts";
import { until, within } from "../support/wait.ts";
import { facts, filesOf, type Node, worldOf } from "./fake_parts.ts";
import { fixture, fixtureBytes } from "./fixture.ts";

const BLKID = { program: "/sbin/blkid" };
const OK: ProgramOutput = { code: 0, signal: null, stdout: "", stderr: "" };
const QUIET: World["log"] = { info() {}, warn() {}, error() {} };
/** A signal that does not come. */
const NEVER = new AbortController().signal;
const NOTHING: ProgramOutput = { ...OK, code: 2 };

/** A blkid that gives these answers in turn, the last one for ever; `calls` keeps its arguments. */
function blkidOf(...answers: readonly (Partial<ProgramOutput> | Error)[]) {
  const calls: string[] = [];
  const output: World["programs"]["output"] = (_program, args) => {
    const answer = answers[Math.min(calls.length, answers.length - 1)]!;
    calls.push(args.join(" "));
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ ...OK, ...answer });
  };
  return { calls, programs: { output } as World["programs"] };
}

Deno.test("askBlkid() asks without a cache, of one device or of all", async () => {
  const stdout = '/dev/sda1: UUID="a"\n';
  const { calls, programs } = blkidOf({ stdout });
  const world = worldOf({ programs, clock });
  const expected = [{ path: "/dev/sda1", tags: { UUID: "a" } }];
  assert.deepEqual(await askBlkid(BLKID, undefined, world, NEVER), expected);
  assert.deepEqual(await askBlkid(BLKID, "/dev/sda1", world, NEVER), expected);
  assert.deepEqual(calls, ["-c /dev/null", "-c /dev/null /dev/sda1"]);
});

Deno.test("askBlkid() asks busybox, which takes no options, once more without any", async () => {
  const { calls, programs } = blkidOf({}, { stdout: '/dev/sda: TYPE="ext4"\n' });
  assert.equal((await askBlkid(BLKID, "/dev/sda", worldOf({ programs, clock }), NEVER)).length, 1);
  assert.deepEqual(calls, ["-c /dev/null /dev/sda", "/dev/sda"]);
  const silent = blkidOf({});
  assert.deepEqual(
    await askBlkid(BLKID, undefined, worldOf({ programs: silent.programs, clock }), NEVER),
    [],
  );
});

Deno.test("askBlkid() takes exit 2 for nothing found, and other codes for a reason to look again", async () => {
  const ask = (answer: Partial<ProgramOutput> | Error) =>
    askBlkid(BLKID, undefined, worldOf({ programs: blkidOf(answer).programs, clock: slow }), NEVER);
  // Each look at this clock is 30 s later, as if blkid had taken all its time.
  let nowMs = 0;
  const slow = { ...clock, now: () => nowMs += 30_000 };
  assert.deepEqual(await ask(NOTHING), []);
  assert.equal((await ask({ code: 2, stdout: "/dev/sda:\n" })).length, 1);
  const cases: [Partial<ProgramOutput> | Error, RegExp][] = [
    [{ code: 4, stderr: "usage\nbad usage\n" }, /^blkid failed with exit 4: bad usage$/],
    [{ code: 1 }, /^blkid failed with exit 1: it said nothing$/],
    [{ code: 139, signal: "SIGSEGV" }, /^blkid failed with SIGSEGV: it said nothing$/],
    [{ code: 137, signal: "SIGKILL" }, /^blkid did not answer within 30 s; is a disk hanging\?$/],
    [{ stdout: "garbage" }, /^Cannot parse blkid's line/],
    [new Error("odd"), /^odd$/],
  ];
  for (const [answer, message] of cases) {
    await assert.rejects(ask(answer), (error) => {
      assert.ok(error instanceof Error && !(error instanceof Failure));
      assert.match(error.message, message);
      return true;
    });
  }
  for (const error of [new Deno.errors.NotFound("none"), new Deno.errors.PermissionDenied("x")]) {
    await assert.rejects(ask(error), {
      kind: "configuration",
      message: /^Cannot run blkid "\/sbin/,
    });
  }
});

function mountOf(variables: Record<string, string>): MountConfig {
  const settings = mergeSettings({ MNT_TARGET: "/t", ...variables });
  return parseConfig(settings, parseServerArgs(["--path", "/t"]), "/").mount!;
}

/** One look: what is found, or the words of the failure at a deadline that is over. */
async function lookOnce(
  variables: Record<string, string>,
  blkidText: string,
  nodes: Record<string, Node>,
) {
  const programs = blkidOf(blkidText === "" ? NOTHING : { stdout: blkidText }).programs;
  const world = worldOf({
    root: true,
    programs,
    files: filesOf(nodes),
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    watchDevices: () => ({ next: () => Promise.resolve(null), close() {} }),
    log: QUIET,
  });
  const { signal } = new AbortController();
  try {
    return await waitForSource(mountOf(variables), BLKID, 0, world, signal);
  } catch (error) {
    if (error instanceof Failure) return `${error.kind}: ${error.message}`;
    throw error;
  }
}

const DISK = facts("block device", { rdev: 0x801 });
const OTHER = facts("block device", { rdev: 0x811 });

Deno.test("waitForSource() finds one device by tag, by path, and a source that is no device", async () => {
  const text = '/dev/sda1: LABEL="a" UUID="u" TYPE="ext4"\n';
  const found = {
    source: "/dev/sda1",
    fstype: "ext4",
    blkidType: "ext4",
    majorMinors: ["8:1"],
    otherMembers: [],
    fsid: undefined,
    warnings: [],
  };
  const nodes = { "/dev/sda1": DISK };
  const cases: [Record<string, string>, string, object][] = [
    [{ MNT_SOURCE: "UUID=U" }, text, {}],
    [{ MNT_SOURCE: "/dev/sda1" }, text, {}],
    [{ MNT_SOURCE: "LABEL=a", MNT_FSTYPE: "ext3" }, text, { fstype: "ext3" }],
    // With a type that is given, nobody is asked.
    [{ MNT_SOURCE: "/dev/sda1", MNT_FSTYPE: "xfs" }, "", { fstype: "xfs", blkidType: undefined }],
    [{ MNT_SOURCE: "tmpfs", MNT_FSTYPE: "tmpfs" }, "", {
      source: "tmpfs",
      fstype: "tmpfs",
      blkidType: undefined,
      majorMinors: [],
    }],
  ];
  for (const [variables, stdout, change] of cases) {
    assert.deepEqual(await lookOnce(variables, stdout, nodes), { ...found, ...change });
  }
});

Deno.test("waitForSource() says at the deadline what it saw", async () => {
  const text = '/dev/sda1: UUID="u" PARTUUID="p"\n';
  const many = Array.from({ length: 9 }, (_, i) => `/dev/sd${i}: PARTLABEL="p"\n`).join("");
  const both = '/dev/sda1: LABEL="a" TYPE="ext4"\n/dev/sdb1: LABEL="a" TYPE="ext4"\n';
  const nodes = { "/dev/sda1": DISK, "/dev/sdb1": OTHER, "/dev/tty": facts("other"), "/d": "" };
  const cases: [source: string, stdout: string, expected: RegExp][] = [
    [
      "UUID=p",
      text,
      /^no device: .*blkid sees \/dev\/sda1 \(UUID=u\); it is the PARTUUID of "\/dev\/sda1"/,
    ],
    ["UUID=x", "", /^no device: .*blkid sees no devices at all; gave up after 0 s \(MNT_WAIT\)$/],
    ["UUID=x", text, /; blkid sees \/dev\/sda1 \(UUID=u\); gave up/],
    ["PARTLABEL=x", many, /; blkid sees \/dev\/sd0, .*, \/dev\/sd8; gave up/],
    ["UUID=u", text, /^no device: .*blkid knows no file system on "\/dev\/sda1"/],
    [
      "LABEL=a",
      both,
      /^no device: .*ambiguous, .*"\/dev\/sda1", "\/dev\/sdb1"; unplug all but one/,
    ],
    ["UUID=x", "garbage", /^no device: .*Cannot parse blkid's line/],
    ["UUID=g", '/dev/gone: UUID="g" TYPE="ext4"\n', /"\/dev\/gone" has just gone/],
    ["/dev/sdz", "", /^no device: Cannot find \/dev\/sdz: no such device/],
    [
      "/dev/tty",
      "",
      /^configuration: Cannot mount "\/dev\/tty": it is a special file, not a block/,
    ],
    ["/d", "", /^configuration: Cannot mount "\/d": it is a file, not a block device/],
  ];
  for (const [source, stdout, expected] of cases) {
    assert.match(String(await lookOnce({ MNT_SOURCE: source }, stdout, nodes)), expected);
  }
});

Deno.test("waitForSource() counts the members of a btrfs by their super blocks", async () => {
  const lines = (await fixture("blkid/util-linux-2.38.1.txt")).split("\n")
    .filter((line) => line.includes("pair of disks"));
  const [path1, path2] = lines.map((line) => line.split(":")[0]!) as [string, string];
  const block = async (name: string, rdev: number) =>
    Object.assign(await fixtureBytes(`btrfs/${name}.bin`), facts("block device", { rdev }));
  const nodes = {
    [path1]: await block("raid1-member1", 0x70e),
    [path2]: await block("raid1-member2", 0x70f),
  };
  const source = { MNT_SOURCE: 'LABEL="pair of disks"' };
  assert.deepEqual(await lookOnce(source, lines.join("\n"), nodes), {
    source: path1,
    fstype: "btrfs",
    blkidType: "btrfs",
    majorMinors: ["7:14", "7:15"],
    otherMembers: [path2],
    fsid: "00000020-1111-4222-8333-444444444444",
    warnings: [],
  });
  const alone = String(await lookOnce(source, lines[0]!, nodes));
  assert.ok(alone.includes(`: 1 of 2 members (${path1})`), alone);
  const unread = String(
    await lookOnce(source, lines.join("\n"), { [path1]: DISK, [path2]: OTHER }),
  );
  assert.ok(unread.includes(`no btrfs super block can be read on "${path1}", "${path2}"`), unread);
});

Deno.test("P7: a signal ends waitForSource() at once, also while blkid has not answered", async () => {
  await using temp = await tempDirectory();
  const program = `${temp.path}/blkid`;
  await Deno.writeTextFile(program, '#!/bin/sh\necho > "$0.runs"; exec sleep 60\n', {
    mode: 0o755,
  });
  const abort = new AbortController();
  const world = worldOf({ programs, files, clock, log: QUIET, watchDevices });
  const mount = mountOf({ MNT_SOURCE: "UUID=u" });
  const waiting = waitForSource(mount, { program }, Infinity, world, abort.signal);
  await until(() => files.stat(`${program}.runs`), "blkid runs");
  abort.abort("SIGTERM");
  await assert.rejects(within(waiting, "end by a signal", 5000), (error) => error === "SIGTERM");
});

Deno.test("P7: waitForSource() asks a blkid that failed once more, though no disk comes or goes", async () => {
  const disk = { stdout: '/dev/sda1: LABEL="a" TYPE="ext4"\n' };
  const { calls, programs } = blkidOf({ code: 4, stderr: "out of memory" }, disk);
  let nowMs = 0;
  const world = worldOf({
    root: true,
    programs,
    files: filesOf({ "/dev/sda1": DISK }),
    clock: { now: () => nowMs, sleep: (ms) => Promise.resolve(void (nowMs += ms)) },
    watchDevices: () => ({ next: (ms) => Promise.resolve((nowMs += ms, null)), close() {} }),
    log: QUIET,
  });
  const mount = mountOf({ MNT_SOURCE: "LABEL=a" });
  const { source } = await waitForSource(mount, BLKID, 60_000, world, new AbortController().signal);
  assert.equal(source, "/dev/sda1");
  assert.equal(calls.length, 2);
  assert.ok(nowMs >= 5000, `${nowMs}`);
});

Deno.test("waitForSource() reads what tells disks apart once, before blkid is asked", async () => {
  const asked: string[] = [];
  const { programs } = blkidOf({ stdout: '/dev/sda1: UUID="u" TYPE="ext4"\n' });
  const all = filesOf({
    "/proc/partitions":
      "major minor  #blocks  name\n\n   8        0     2048 sda\n   8        1     1024 sda1\n",
    "/sys/dev/block/8:0/diskseq": "7\n",
    "/sys/dev/block/8:1/../diskseq": "7\n",
    "/dev/sda1": DISK,
  });
  const world = worldOf({
    root: true,
    programs: {
      output: (...args) => (asked.push("blkid"), programs.output(...args)),
    } as World["programs"],
    files: { ...all, readText: (path) => (asked.push(path), all.readText(path)) },
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    log: QUIET,
  });
  const mount = mountOf({ MNT_SOURCE: "UUID=u" });
  const found = await waitForSource(mount, BLKID, 0, world, NEVER);
  assert.deepEqual(found.diskSequences, new Map([["8:1", "7"]]));
  assert.equal(asked.filter((path) => path.endsWith("0/diskseq")).length, 1);
  assert.equal(asked.filter((path) => path === "/proc/partitions").length, 1);
  assert.equal(asked.at(-1), "blkid");
});
