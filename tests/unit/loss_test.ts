/** What a look at the disk finds, and how the watch speaks of it. */
import assert from "node:assert/strict";
import type { MountConfig } from "../../mod/config.ts";
import { kernelNames } from "../../mod/disks.ts";
import { watchDisk } from "../../mod/loss.ts";
import type { FoundSource } from "../../mod/found.ts";
import type { Mounted } from "../../mod/mount.ts";
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { judgeOptions, probe, type ProbeResult } from "../../mod/probe.ts";
import type { Files, World } from "../../mod/world.ts";
import { facts, filesOf, type Node, worldOf } from "./fake_parts.ts";

const TARGET = "/mnt/backup";
const ROOT_LINE = "1 0 259:1 / / rw - ext4 /dev/root rw";
const line = (id: number, superOptions: string, source = "/dev/sda1") =>
  `${id} 1 8:1 / ${TARGET} rw - ext4 ${source} ${superOptions}`;
const infoOf = (text: string) => parseMountinfo(`${ROOT_LINE}\n${text}\n`).at(-1)!;

const FOUND: FoundSource = {
  source: "/dev/sda1",
  fstype: "ext4",
  blkidType: "ext4",
  majorMinors: ["8:1"],
  otherMembers: [],
  fsid: undefined,
  warnings: [],
  diskSequences: new Map([["8:1", "5"]]),
};

function mountedOf(found: Partial<FoundSource> = {}): Mounted {
  const info = infoOf(line(30, "rw"));
  return {
    info,
    found: { ...FOUND, ...found },
    mark: { ...info, uniqueId: "" },
    ours: true,
    rootFd: 9,
    sync: () => Promise.resolve(true),
  };
}

const MOUNT = { path: `${TARGET}/restic`, data: "" } as MountConfig;

/** A machine on which all is well, but for what a test changes. */
function nodes(change: Record<string, Node> = {}): Record<string, Node> {
  return {
    "/proc/self/mountinfo": `${ROOT_LINE}\n${line(30, "rw")}\n`,
    "/sys/dev/block": facts("directory"),
    "/sys/dev/block/8:1": facts("directory"),
    "/sys/dev/block/8:1/diskseq": "5\n",
    [TARGET]: facts("directory"),
    [`${TARGET}/restic`]: ".htpasswd",
    [`${TARGET}/restic/.htpasswd`]: new Uint8Array([1]),
    ...change,
  };
}

/** Time stands still. */
const still = { now: () => 0, sleep: () => Promise.resolve() };
const lookWith = (files: Files, mounted: Mounted, mount = MOUNT) =>
  probe(mount, mounted, worldOf({ files, clock: still }));
const look = (change: Record<string, Node>, mounted = mountedOf(), mount = MOUNT) =>
  lookWith(filesOf(nodes(change)), mounted, mount);

Deno.test("probe() finds nothing wrong with a disk that is well", async () => {
  assert.deepEqual(await look({}), { lost: null, troubles: [] });
});

Deno.test("probe() names why a disk is lost", async () => {
  const mountinfo = (...lines: string[]) => ({
    "/proc/self/mountinfo": [ROOT_LINE, ...lines, ""].join("\n"),
  });
  const without = (path: string) => {
    const rest = nodes();
    delete rest[path];
    return rest;
  };
  const cases: [string, () => Promise<ProbeResult>, RegExp][] = [
    ["unmounted", () => look(mountinfo()), /^somebody else unmounted it$/],
    [
      "another mount with its number",
      () => look(mountinfo(line(31, "rw"))),
      /^somebody else unmounted it$/,
    ],
    [
      "covered",
      () => look(mountinfo(line(30, "rw"), `40 30 0:50 / ${TARGET} rw - tmpfs cover rw`)),
      /^"cover" \(tmpfs\) was mounted over it$/,
    ],
    [
      "hidden by a mount above it",
      () => look(mountinfo(line(30, "rw"), `40 1 0:50 / /mnt rw - tmpfs above rw`)),
      /^a mount above it hides it$/,
    ],
    [
      "moved",
      () => look(mountinfo(line(30, "rw").replace(TARGET, "/mnt/elsewhere"))),
      /^somebody moved its mount to "\/mnt\/elsewhere"$/,
    ],
    [
      "a later mount under the same id",
      () => look(mountinfo(line(30, "rw", "/dev/sdz9"))),
      /^somebody else unmounted it$/,
    ],
    ["shut down", () => look(mountinfo(line(30, "rw,shutdown"))), /shut down after an error/],
    [
      "another disk under its number",
      () => look({ "/sys/dev/block/8:1/diskseq": "6\n" }),
      /^the device "\/dev\/sda1" is gone \(8:1\)$/,
    ],
    [
      "pulled",
      () => lookWith(filesOf(without("/sys/dev/block/8:1")), mountedOf()),
      /^the device "\/dev\/sda1" is gone \(8:1\)$/,
    ],
    [
      "unreadable",
      () => look({ [`${TARGET}/restic/.htpasswd`]: new Error("Input/output error (os error 5)") }),
      /^it cannot be read: Input\/output error/,
    ],
    [
      "a member of a btrfs",
      () => look({}, mountedOf({ majorMinors: ["8:1", "8:17"], fsid: "x" })),
      /^1 of 2 members of the btrfs are gone \(8:17\)$/,
    ],
  ];
  for (const [name, act, why] of cases) assert.match((await act()).lost ?? "", why, name);
});

Deno.test("probe() asks a server each time, though the file that it reads may be in the cache", async () => {
  const files = filesOf(nodes());
  let asked = 0;
  const stat = (path: string) => {
    if (path === TARGET) asked++;
    return files.stat(path);
  };
  const rounds = async (mounted: Mounted) => {
    asked = 0;
    for (let round = 0; round < 3; round++) await lookWith({ ...files, stat }, mounted);
    return asked;
  };
  assert.equal(await rounds(mountedOf({ majorMinors: [], source: "server:/export" })), 3);
  assert.equal(await rounds(mountedOf()), 1);
});

Deno.test("probe() reads of the disk, and of nothing that a symlink on it leads to", async () => {
  const link = `${TARGET}/restic/.htpasswd`;
  // Text is what this fake takes for a symlink; what that leads to is read as a file.
  const dead = { [link]: "/etc/htpasswd", [TARGET]: "a", [`${TARGET}/a`]: new Error("EIO") };
  assert.match((await look(dead)).lost ?? "", /^it cannot be read: EIO/);
});

Deno.test("probe() takes no denied or missing file for a lost disk", async () => {
  const denied = new Deno.errors.PermissionDenied("denied");
  assert.equal((await look({ [`${TARGET}/restic/.htpasswd`]: denied })).lost, null);
  assert.equal((await look({ [`${TARGET}/restic`]: "", [TARGET]: "" })).lost, null);
});

Deno.test("probe() takes nothing that stands in the place of a file for a lost disk", async () => {
  const file = `${TARGET}/restic/.htpasswd`;
  const cases: [string, Node, RegExp | null][] = [
    ["a FIFO, which nobody may ever write to", facts("other"), null],
    ["a directory", facts("directory"), null],
    ["a symlink to itself", new Deno.errors.FilesystemLoop("Too many levels"), null],
    ["a disk that cannot be read", new Error("Input/output error (os error 5)"), /^it cannot be/],
  ];
  for (const [what, node, lost] of cases) {
    // From the first look on, and where the looks before it read a file there.
    for (const known of [false, true]) {
      const mounted = mountedOf();
      const opened: string[] = [];
      const at = (change: Record<string, Node>) => {
        const files = filesOf(nodes(change));
        const readAt: Files["readAt"] = (path, ...rest) => {
          opened.push(path);
          return files.readAt(path, ...rest);
        };
        return lookWith({ ...files, readAt }, mounted);
      };
      if (known) assert.equal((await at({})).lost, null);
      opened.length = 0;
      const findings = await at({ [file]: node });
      if (lost === null) assert.equal(findings.lost, null, what);
      else assert.match(findings.lost!, lost, what);
      assert.deepEqual(opened, [], what);
    }
  }
});

Deno.test("probe() takes no want of descriptors or memory of our own for a lost disk", async () => {
  for (const code of ["EMFILE", "ENFILE", "ENOMEM"]) {
    const error = Object.assign(new Error(code), { code });
    await assert.rejects(look({ [`${TARGET}/restic/.htpasswd`]: error }), error);
  }
});

Deno.test("probe() goes on with a degraded btrfs that was asked for", async () => {
  const mount = { ...MOUNT, data: "degraded" };
  const { lost, troubles } = await look({}, mountedOf({ majorMinors: ["8:1", "8:17"] }), mount);
  assert.equal(lost, null);
  assert.match(troubles[0]!, /^1 of 2 members of the btrfs are gone \(8:17\): serving goes on/);
});

Deno.test("judgeOptions() tells a file system that turned read-only from one that was mounted so", () => {
  const trouble = (now: string, before: string) =>
    judgeOptions(infoOf(line(30, now)), infoOf(line(30, before))).troubles.length;
  assert.equal(trouble("ro", "rw"), 1);
  assert.equal(trouble("rw,emergency_ro", "rw"), 1);
  assert.equal(trouble("ro", "ro"), 0);
  assert.equal(trouble("rw,errors=remount-ro", "rw,errors=remount-ro"), 0);
});

/** A watch on files that a test can change, with a clock that only the watch moves. */
function watching(files: Files, limitMs: number) {
  const said: string[] = [];
  const say = (level: string) => (message: string) => void said.push(`${level}: ${message}`);
  let nowMs = 0;
  const ended = new AbortController();
  const world = worldOf({
    files,
    log: { info: say("info"), warn: say("warning"), error: say("error") } as World["log"],
    clock: {
      now: () => nowMs,
      async sleep(ms, signal) {
        await new Promise((resolve) => setTimeout(resolve));
        if (signal?.aborted) return;
        nowMs += ms;
        if (nowMs >= limitMs) ended.abort();
      },
    },
    openKernelLog: () => ({
      read: () => ["3,1,1,-;EXT4-fs error: test\n", "3,2,1,-;BTRFS error (device sdz): other\n"],
      close: () => {},
    }),
  });
  return { said, watch: watchDisk(MOUNT, mountedOf(), 2000, world, ended.signal) };
}

Deno.test("P7: a disk that does not answer is called hanging after 10 s, 20 s and so on, not gone", async () => {
  const files = filesOf(nodes());
  const hang = { ...files, readAt: () => new Promise<never>(() => {}) };
  const { said, watch } = watching(hang, 140_000);
  assert.equal(await watch, null);
  assert.deepEqual(said.map((line) => /answered for (\d+) s: it hangs/.exec(line)?.[1]), [
    "10",
    "20",
    "40",
    "80",
  ]);
});

Deno.test("a trouble is said when it comes, with the kernel's own lines", async () => {
  const files = filesOf(nodes({
    "/proc/self/mountinfo": `${ROOT_LINE}\n${line(30, "rw,emergency_ro")}\n`,
  }));
  const { said, watch } = watching(files, 20_000);
  assert.equal(await watch, null);
  assert.equal(said.length, 1);
  assert.match(
    said[0]!,
    /^error: the file system has turned read-only .*kernel: EXT4-fs error: test$/,
  );
});

Deno.test("kernelNames() asks sysfs for the disk of a partition, and for what lies below a RAID", async () => {
  const files = filesOf({
    "/sys/dev/block/8:1": "../../devices/pci0/usb1/block/sda/sda1",
    "/sys/dev/block/9:0": "../../devices/virtual/block/md0",
    "/sys/dev/block/9:0/slaves": "sdb\nsdc",
    "/sys/dev/block/259:2": "../../devices/pci0/nvme/nvme0/block/nvme0n1/nvme0n1p2",
  });
  const cases: [string, string[], string[]][] = [
    ["/dev/sda1", ["8:1"], ["sda", "sda1"]],
    ["/dev/disk/by-label/restic", ["8:1"], ["sda", "sda1", "restic"]],
    ["/dev/nvme0n1p2", ["259:2"], ["nvme0n1", "nvme0n1p2"]],
    ["/dev/md0", ["9:0"], ["md0", "sdb", "sdc"]],
    ["/dev/sda1", ["8:1", "259:2"], ["sda", "sda1", "nvme0n1", "nvme0n1p2"]],
    // One that is gone already.
    ["/dev/sdx1", ["8:200"], ["sdx1"]],
    ["box:/export", [], ["export"]],
  ];
  for (const [source, majorMinors, names] of cases) {
    const found = { ...FOUND, source, majorMinors };
    assert.deepEqual([...new Set(await kernelNames(found, worldOf({ files })))], names);
  }
});

Deno.test("a loss ends the watch, with the kernel's own lines", async () => {
  const files = filesOf(nodes({ "/proc/self/mountinfo": `${ROOT_LINE}\n` }));
  const { watch } = watching(files, 20_000);
  assert.deepEqual(await watch, {
    text: '"/dev/sda1" is lost: somebody else unmounted it; kernel: EXT4-fs error: test',
    why: "somebody else unmounted it",
    kernel: ["EXT4-fs error: test"],
  });
});

Deno.test("a look that cannot be made says so once and takes nothing for lost", async () => {
  const files = filesOf(nodes({ "/proc/self/mountinfo": new Error("Too many open files") }));
  const { said, watch } = watching(files, 20_000);
  assert.equal(await watch, null);
  assert.equal(said.length, 1);
  assert.match(said[0]!, /^error: Cannot look at "\/dev\/sda1": Too many open files/);
});
