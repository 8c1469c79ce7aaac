/** What `check` asks of kernels, devices and files that this machine has not. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import type { Finding } from "../../mod/findings.ts";
import { inspect } from "../../mod/inspect.ts";
import { inspectDisk } from "../../mod/inspect_disk.ts";
import { inspectKernel } from "../../mod/inspect_kernel.ts";
import { inspectLock, socketOwner } from "../../mod/inspect_lock.ts";
import { inspectMount } from "../../mod/inspect_mount.ts";
import { describeSandbox, describeUser } from "../../mod/inspect_sandbox.ts";
import { inspectListen, inspectWrites } from "../../mod/inspect_server.ts";
import { inspectAccess, mayAccess } from "../../mod/inspect_user.ts";
import { parseListen, parseServerArgs } from "../../mod/server_args.ts";
import { facts, filesOf, type Node, worldOf } from "./fake_parts.ts";

const DIRECTORY = facts("directory");

function configOf(env: Record<string, string>) {
  const settings = mergeSettings({ MNT_SOURCE: "tmpfs", MNT_FSTYPE: "tmpfs", ...env });
  return parseConfig(settings, parseServerArgs(["--path", `${env["MNT_TARGET"]}/r`]), "/");
}

function lines(findings: readonly Finding[]): string[] {
  return findings.map(({ level, name, text, cure }) => `${level} ${name}: ${text} -> ${cure}`);
}

Deno.test("inspectKernel() looks among the modules of this very kernel, and for their loader", async () => {
  const kernel = {
    "/proc/filesystems": "\text4\n",
    "/proc/sys/kernel/osrelease": "6.1.0\n",
    "/proc/sys/kernel/modprobe": "/sbin/modprobe\n",
    "/lib/modules/6.1.0/modules.alias": "alias fs-exfat exfat\n",
  };
  const world = (nodes: Record<string, Node>) => worldOf({ files: filesOf(nodes) });
  const loads = await inspectKernel("exfat", world({ ...kernel, "/sbin/modprobe": "" }));
  assert.equal(loads.level, "ok");
  const unloaded = await inspectKernel("exfat", world(kernel));
  assert.equal(unloaded.level, "error");
  assert.match(unloaded.text, /as the module exfat, which is not loaded, and no modprobe/);
  const other = { ...kernel, "/proc/sys/kernel/osrelease": "6.2.0\n" };
  const none = await inspectKernel("exfat", world(other));
  assert.match(none.text, /^this kernel has no file system "exfat"; it has ext4$/);
});

/** A root directory that is mounted with these options, and a target on it or not. */
async function mountOn(
  options: string,
  nodes: Record<string, Node>,
  status = "CapEff: ffffffffff",
  majorMinors: readonly string[] = [],
) {
  const config = configOf({ MNT_TARGET: "/perm/backup" });
  const world = worldOf({
    root: true,
    files: filesOf({
      "/": DIRECTORY,
      "/proc/self/mountinfo": `1 0 259:1 / / ${options} - ext4 /dev/root ${options}\n`,
      "/proc/self/status": `${status}\n`,
      "/proc/self/uid_map": "0 0 4294967295\n",
      ...nodes,
    }),
  });
  const found = {
    ...{ source: "tmpfs", fstype: "tmpfs", blkidType: undefined, majorMinors },
    ...{ otherMembers: [], fsid: undefined, warnings: [] },
  };
  const { findings } = await inspectMount(config.mount!, found, world);
  return lines(findings).join("\n");
}

Deno.test("inspectMount() says where a target would be made, and where it cannot be", async () => {
  assert.match(
    await mountOn("rw", {}),
    /^ok target: "\/perm\/backup" is not there, and would be made/m,
  );
  const readOnly = await mountOn("ro", {});
  assert.match(readOnly, /^error target: .* which is read-only -> set MNT_TARGET to a directory/m);
  const file = await mountOn("rw", { "/perm": facts("file"), "/perm/backup": facts("file") });
  assert.match(file, /^error target: "\/perm\/backup" is not a directory/m);
  const loop = await mountOn("rw", { "/perm/backup": new Deno.errors.FilesystemLoop("ELOOP") });
  assert.match(loop, /^error target: Cannot use MNT_TARGET="\/perm\/backup": ELOOP/m);
});

Deno.test("inspectMount() says what is hidden by the mount", async () => {
  const target = { "/perm/backup": DIRECTORY };
  const mountinfo = "1 0 259:1 / / rw - ext4 /dev/root rw\n" +
    "2 1 0:9 / /perm/backup/below rw - tmpfs tmpfs rw\n";
  const below = await mountOn("rw", { ...target, "/proc/self/mountinfo": mountinfo });
  assert.match(below, /^warning target: "\/perm\/backup\/below" is a mount below the target/m);
});

Deno.test("inspectMount() says who may not mount", async () => {
  const capable = "CapEff: ffffffffff";
  assert.doesNotMatch(await mountOn("rw", {}), /rights/);
  const incapable = await mountOn("rw", {}, "CapEff: 0");
  assert.match(incapable, /^error rights: root here has no CAP_SYS_ADMIN/m);
  const rootless = { "/proc/self/uid_map": "0 1000 1\n" };
  assert.doesNotMatch(await mountOn("rw", rootless, capable), /rights/);
  const disk = await mountOn("rw", rootless, capable, ["8:1"]);
  assert.match(
    disk,
    /^error rights: a user namespace, as of a rootless container, may mount no disk/m,
  );
});

Deno.test("inspectDisk() names what is made of the disk, and who swaps on it", async () => {
  const config = configOf({ MNT_TARGET: "/mnt", MNT_SOURCE: "/dev/x", MNT_FSTYPE: "ext4" });
  const ask = async (nodes: Record<string, Node>) => {
    const files = filesOf({
      "/dev/x": facts("block device", { rdev: 0x801 }),
      "/proc/filesystems": "\text4\n",
      ...nodes,
    });
    const world = worldOf({ root: true, path: "", files });
    const { findings, found } = await inspectDisk(config, world, new AbortController().signal);
    assert.equal(found?.source, "/dev/x");
    return lines(findings).filter((line) => line.startsWith("error")).join("\n");
  };
  assert.equal(await ask({}), "");
  const holders = { "/sys/dev/block/8:1/holders": "dm-0" };
  assert.match(await ask(holders), /^error source: "\/dev\/x" is in use by dm-0: .*EBUSY -> /);
  const swaps = { "/proc/swaps": "Filename Type\n/dev/x partition 1 0 -2\n" };
  assert.match(await ask(swaps), /is in use by swap/);
});

const stat = (pid: number, startTime: string, state = "S") =>
  `${pid} (a b) ${state} ${Array(18).fill("0").join(" ")} ${startTime} 0`;

Deno.test("inspectLock() believes a process only by its start time", async () => {
  const lock = "/run/x/%2Fmnt.lock";
  const record = JSON.stringify({
    target: "/mnt",
    wrapper: { pid: 7, startTime: "70" },
    server: { pid: 8, startTime: "80", executable: "/r" },
  });
  const cases: [Record<string, Node>, RegExp][] = [
    [{}, /^ok lock: no other run/],
    [{ [lock]: "rubbish" }, /^ok lock: no other run/],
    [{ [lock]: record }, /^ok lock: no other run/],
    [
      { [lock]: record, "/proc/7/stat": stat(7, "70") },
      /^warning lock: .* process 7, holds "\/mnt"/,
    ],
    [{ [lock]: record, "/proc/7/stat": stat(7, "71") }, /^ok lock/],
    [{ [lock]: record, "/proc/7/stat": stat(7, "70", "Z") }, /^ok lock/],
    [
      { [lock]: record, "/proc/8/stat": stat(8, "80") },
      /^note lock: rest-server, process 8, is left/,
    ],
  ];
  for (const [nodes, expected] of cases) {
    const world = worldOf({ files: filesOf(nodes) });
    const { finding } = await inspectLock("/mnt", ["/run/none", "/run/x"], world);
    assert.match(lines([finding])[0]!, expected);
  }
});

Deno.test("socketOwner() finds the process by its descriptors, and nobody where it may not look", async () => {
  const nodes = {
    "/proc": "1\nself\n42",
    "/proc/1/fd": new Deno.errors.PermissionDenied("EACCES"),
    "/proc/42/fd": "0\n3",
    "/proc/42/fd/0": "/dev/null",
    "/proc/42/fd/3": "socket:[99]",
    "/proc/42/comm": "nginx\n",
  };
  const world = worldOf({ files: filesOf(nodes) });
  assert.deepEqual(await socketOwner("99", world), { pid: 42, text: "nginx (process 42)" });
  assert.equal(await socketOwner("9", world), undefined);
});

Deno.test("inspectListen() judges addresses without listening on the port", async () => {
  const asked: string[] = [];
  const ask = async (address: string, nodes: Record<string, Node> = {}, given = false) => {
    const world = worldOf({
      socketActivated: given,
      files: filesOf(nodes),
      sockets: {
        tcpFault: (host, port) => {
          asked.push(`${host}|${port}`);
          return Promise.resolve(host === "192.0.2.1" ? "other" : null);
        },
        unixAnswers: () => Promise.reject(new Error("asked")),
      },
    });
    return lines([await inspectListen(parseListen(address), "/work", undefined, world)])[0]!;
  };
  assert.match(await ask(":8000"), /^ok address: ":8000" is free/);
  assert.match(await ask("127.0.0.1:0"), /^ok address: "127\.0\.0\.1:0" is any free port/);
  assert.match(await ask("192.0.2.1:80"), /^error address: .* is no address of this machine now/);
  assert.match(
    await ask("[::1]:http"),
    /^note address: "\[::1\]:http" is rest-server's to look up/,
  );
  assert.match(await ask(":99999"), /^note address/);
  assert.match(await ask(":8000", {}, true), /^ok address: a listening socket was handed over/);
  assert.match(await ask("unix:s"), /^error address: .* "\/work" is not there -> make it/);
  assert.match(
    await ask("unix:s", { "/work": DIRECTORY }),
    /^ok address: "unix:\/work\/s" is free/,
  );
  const file = { "/work": DIRECTORY, "/work/s": facts("file") };
  assert.match(await ask("unix:s", file), /^error address: .*: something else is there/);
  const tcp = "   0: 00000000:1F40 00000000:0000 0A 0:0 00:0 0     0        0 9 2";
  assert.match(
    await ask(":8000", { "/proc/net/tcp": tcp }),
    /^error address: .*: it is in use by a program that is not ours to see -> stop that program/,
  );
  assert.deepEqual(asked, ["127.0.0.1|0", "192.0.2.1|0"]);
});

Deno.test("inspectWrites() wants the directories of --log and --cpu-profile, but not on a disk that is away", async () => {
  const args = parseServerArgs(["--log", "/mnt/log", "--cpu-profile", "none/profile"]);
  const world = worldOf({ files: filesOf({ "/mnt": DIRECTORY }) });
  const ask = async (shows: string | null) =>
    lines(await inspectWrites(args, "/work", { target: "/mnt", shows }, world));
  const profile = 'error files: Cannot write to --cpu-profile "none/profile": "/work/none" is no ' +
    "directory -> make it, or give another file";
  assert.deepEqual(await ask(null), [profile]);
  assert.deepEqual(await ask("/elsewhere"), [
    'error files: Cannot write to --log "/mnt/log": "/elsewhere" is no directory -> make it, or ' +
    "give another file",
    profile,
  ]);
});

Deno.test("describeSandbox() says what each version of Landlock holds", () => {
  const config = configOf({ MNT_TARGET: "/mnt" });
  const cases: [version: number, args: string[], RegExp][] = [
    [0, [], /^warning sandbox: this kernel has no Landlock/],
    [
      1,
      [],
      /^warning sandbox: .*cannot forbid truncating files elsewhere, nor binding .*newer kernel/,
    ],
    [3, [], /^ok sandbox: Landlock version 3: .*cannot forbid binding .*, nor signals/],
    [
      4,
      [],
      /^ok sandbox: .*it may listen on port 8000, and connect nowhere; this version.*signals/,
    ],
    [
      6,
      [],
      /^ok sandbox: .*only below "\/mnt"; it may listen on port 8000, and connect nowhere -> null$/,
    ],
    [6, ["--listen", ":http"], /listen on any port/],
    [6, ["--listen", "unix:/s"], /only below "\/mnt" -> null$/],
    [6, ["--log", "l"], /only below "\/mnt" and to "\/work\/l"/],
  ];
  for (const [version, args, expected] of cases) {
    const finding = describeSandbox(config, parseServerArgs(args), "/work", version);
    assert.match(lines([finding])[0]!, expected);
  }
  const off = configOf({ MNT_TARGET: "/mnt", MNT_SANDBOX: "off" });
  assert.equal(describeSandbox(off, parseServerArgs([]), "/", 6).level, "warning");
});

Deno.test("describeUser() wants root for another user", () => {
  const none = configOf({ MNT_TARGET: "/mnt" });
  const other = configOf({ MNT_TARGET: "/mnt", MNT_USER: "1:2" });
  assert.equal(describeUser(none, true).level, "note");
  assert.equal(describeUser(none, false).level, "ok");
  assert.equal(describeUser(other, true).level, "ok");
  assert.equal(describeUser(other, false).level, "error");
});

Deno.test("mayAccess() takes the first class that fits, as the kernel does", () => {
  const owner = (mode: number) => ({ uid: 1, gid: 2, mode });
  const cases: [number, { uid: number; gid: number }, number, boolean][] = [
    [0o700, { uid: 1, gid: 9 }, 7, true],
    [0o070, { uid: 1, gid: 2 }, 4, false],
    [0o070, { uid: 9, gid: 2 }, 7, true],
    [0o007, { uid: 9, gid: 2 }, 4, false],
    [0o007, { uid: 9, gid: 9 }, 7, true],
    [0o004, { uid: 9, gid: 9 }, 7, false],
    [0o000, { uid: 0, gid: 0 }, 7, true],
  ];
  for (const [mode, user, wanted, expected] of cases) {
    assert.equal(mayAccess(owner(mode), user, wanted), expected, mode.toString(8));
  }
  assert.equal(mayAccess(undefined, { uid: 9, gid: 9 }, 7), true);
});

Deno.test("inspectAccess() names the directory that stops the user on the way", async () => {
  const at = (mode: number) => facts("directory", { owner: { uid: 0, gid: 0, mode } });
  const world = worldOf({
    files: filesOf({
      "/": at(0o755),
      "/closed": at(0o700),
      "/closed/file": at(0o644),
      "/open": at(0o755),
      "/open/file": at(0o644),
    }),
  });
  const user = { uid: 5, gid: 6 };
  const found = await inspectAccess(user, "/open/new/one", ["/closed/file", "/open/file"], world);
  assert.deepEqual(lines(found), [
    'error user: MNT_USER=5:6 cannot write to "/open" -> give it that owner with: chown -R 5:6 "/open"',
    'error user: MNT_USER=5:6 cannot enter "/closed" -> chgrp 6 and chmod g+r it, and let the ' +
    "directories be entered",
  ]);
  assert.deepEqual(await inspectAccess(user, null, ["/open/file"], world), []);
});

Deno.test("inspect() comes to an end where nothing that is asked of a disk comes back", async () => {
  const files = filesOf({ "/proc/filesystems": "nodev\tnfs4\n" });
  const never = () => new Promise<never>(() => {});
  const world = worldOf({
    platform: "host",
    root: true,
    path: "",
    socketActivated: false,
    // Time passes as soon as nothing else happens.
    clock: { now: () => 0, sleep: () => setImmediate() },
    programs: { output: never, start: never as () => never },
    files: { ...files, stat: never, realPath: never },
  });
  const settings = mergeSettings({
    ...{ MNT_SOURCE: "box:/x", MNT_FSTYPE: "nfs4", MNT_TARGET: "/mnt" },
    ...{ MNT_SERVER: "none", MNT_BLKID: "none" },
  });
  const question = {
    ...{
      version: "1",
      settings,
      files: undefined,
      problems: [],
      args: ["--path=/mnt", "--htpasswd-file=/nfs/x"],
    },
    ...{ directory: "/", landlock: 6, runDirectories: [] },
  };
  const { findings } = await inspect(question, world, new AbortController().signal);
  const waits = findings.filter(({ waits }) => waits === true);
  assert.deepEqual(lines(waits).map((line) => line.split(" -> ")[0]), [
    'error target: "/mnt", or what is mounted there, does not answer within 30 s',
    "error files: what holds the files of rest-server does not answer within 30 s",
  ]);
});
