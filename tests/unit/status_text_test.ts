/** How `status` shows a run: the whole of it, and each part that can be unknown. */
import assert from "node:assert/strict";
import { type MountInfo, parseMountinfo } from "../../mod/mountinfo.ts";
import type { Instance } from "../../mod/status_look.ts";
import {
  allServe,
  formatBytes,
  formatSpan,
  statusReport,
  statusText,
} from "../../mod/status_text.ts";

const GIB = 1024 ** 3;

function mountOf(options: string, superOptions: string): MountInfo {
  return parseMountinfo(
    `36 35 8:1 / /mnt/backup ${options} - ext4 /dev/sda1 ${superOptions}\n`,
  )[0]!;
}

function instanceOf(
  { record = {}, ...more }: Partial<Omit<Instance, "record">> & { record?: object } = {},
): Instance {
  return {
    record: {
      ...{ version: 1, wrapper: { pid: 812, startTime: "1" }, phase: "serving", sinceMs: 10_000 },
      ...{ text: "serving", source: "UUID=5e1c", target: "/mnt/backup", fstype: "ext4" },
      ...{ devices: ["/dev/sda1", "/dev/sdb"], server: { pid: 830, startTime: "2" } },
      ...{ starts: 2, losses: 1, restarts: 0, failure: null, ended: null, ...record },
    },
    path: "/run/x/mnt.status",
    alive: true,
    serverAlive: true,
    mount: mountOf("rw,nosuid", "rw"),
    space: {
      ...{ sizeBytes: 100 * GIB, usedBytes: 25 * GIB, freeBytes: 70 * GIB },
      ...{ inodes: 1000, freeInodes: 990 },
    },
    listening: ["127.0.0.1:8000"],
    why: null,
    ...more,
  };
}

/** An hour and a second after boot; it is 2026-11-24. */
const NOW = { bootMs: 3_601_000, wallMs: Date.UTC(2026, 10, 24, 12) };

const textOf = (instance: Instance, colours = false) =>
  statusText({ instances: [instance], why: null }, NOW, colours);

Deno.test("a run that serves, in full", () => {
  const expected = [
    "status        serving",
    "phase         serving since 2026-11-24T11:00:09Z (59 min 51 s)",
    "target        /mnt/backup",
    "source        UUID=5e1c",
    "disk          /dev/sda1 /dev/sdb, ext4, rw",
    "space         70.0 GiB free of 100 GiB, 25 % used",
    "inodes        990 free of 1000, 1 % used",
    "rest-server   process 830, listening on 127.0.0.1:8000",
    "wrapper       process 812",
    "history       rest-server started 2 times, disk lost 1 time",
    "",
  ];
  assert.equal(textOf(instanceOf()), expected.join("\n"));
});

Deno.test("what can be unknown, gone or wrong has words of its own", () => {
  const failure = { text: "Cannot mount", atMs: 3_000_000 };
  const cases: [Instance, RegExp][] = [
    [
      instanceOf({ why: "waiting for UUID=5e1c" }),
      /^status {8}not serving: waiting for UUID=5e1c$/m,
    ],
    [
      instanceOf({ alive: false }),
      /^phase {9}was serving since .*\n.*^wrapper {7}process 812, gone$/ms,
    ],
    [
      instanceOf({ alive: false }),
      /^to forget {5}rm "\/run\/x\/mnt\.status" \(only if nothing is to be served there again\)$/m,
    ],
    [instanceOf({ mount: null, record: { devices: [], fstype: null } }), /^disk {10}none yet$/m],
    [instanceOf({ mount: mountOf("ro", "rw") }), /^disk .*, ext4, read-only$/m],
    [instanceOf({ mount: mountOf("rw", "ro") }), /, read-only$/m],
    [instanceOf({ mount: mountOf("rw", "rw,emergency_ro") }), /, read-only$/m],
    [instanceOf({ mount: mountOf("rw", "rw,errors=remount-ro") }), /, rw$/m],
    [instanceOf({ mount: null }), /^disk {10}\/dev\/sda1 \/dev\/sdb, ext4$/m],
    [instanceOf({ listening: null }), /process 830, its sockets are shown to root/],
    [instanceOf({ listening: [] }), /process 830, listening nowhere$/m],
    [instanceOf({ serverAlive: false }), /^rest-server {3}not running$/m],
    [instanceOf({ record: { server: null } }), /^rest-server {3}not running$/m],
    [instanceOf({ record: { failure } }), /^last failure {2}2026-11-24T11:49:59Z Cannot mount$/m],
    [instanceOf({ record: { restarts: 1, losses: 0 } }), /, no disk lost; 1 unclean end in a row/],
    [instanceOf({ record: { target: null, source: null } }), /^target {8}none: rest-server runs/m],
  ];
  for (const [instance, says] of cases) assert.match(textOf(instance), says);
  assert.doesNotMatch(textOf(instanceOf({ space: null })), /^(space|inodes)/m);
  assert.doesNotMatch(textOf(instanceOf({ record: { target: null } })), /^disk/m);
});

Deno.test("a file system that counts no inodes has none to show", () => {
  const space = { sizeBytes: 0, usedBytes: 0, freeBytes: 0, inodes: 0, freeInodes: 0 };
  assert.match(textOf(instanceOf({ space })), /^inodes {8}not counted by this file system$/m);
});

Deno.test("a time of an earlier boot is not made up", () => {
  const failure = { text: "x", atMs: 9e9 };
  const instance = instanceOf({ record: { sinceMs: 9e9, failure } });
  assert.match(textOf(instance), /^phase {9}serving$/m);
  assert.match(textOf(instance), /^last failure {2}x$/m);
  const [run] = statusReport({ instances: [instance], why: null }, NOW).instances;
  assert.deepEqual([run!.since, run!.seconds, run!.failure!.time], [null, null, null]);
});

Deno.test("colours only where they are asked for; what a file says never drives the terminal", () => {
  const evil = instanceOf({ why: "a\x1b[2Jb\nc\x9bd" });
  assert.match(textOf(evil), /^status {8}not serving: a\\x1b\[2Jb\\nc\\x9bd$/m);
  const bare = (text: string) => text.replaceAll("\x1b[2m", "").replaceAll("\x1b[0m", "");
  assert.equal(bare(textOf(evil, true)).replace("\x1b[1;31m", ""), textOf(evil));
  assert.equal(bare(textOf(instanceOf(), true)).replace("\x1b[32m", ""), textOf(instanceOf()));
});

Deno.test("all serve: none do not, and there is one", () => {
  const good = instanceOf();
  const bad = instanceOf({ why: "x" });
  const cases: [Instance[], boolean][] = [[[], false], [[good], true], [[good, bad], false]];
  for (const [instances, expected] of cases) {
    assert.equal(allServe({ instances, why: null }), expected);
  }
});

Deno.test("formatSpan() has the two largest units", () => {
  const cases: [number, string][] = [
    [0, "0 s"],
    [59, "59 s"],
    [60, "1 min"],
    [3601, "1 h"],
    [3660, "1 h 1 min"],
    [86399, "23 h 59 min"],
    [4 * 86400 + 7200 + 59, "4 d 2 h"],
  ];
  for (const [seconds, expected] of cases) assert.equal(formatSpan(seconds), expected);
});

Deno.test("formatBytes() has three digits", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "0.977 KiB"],
    [1024, "1.00 KiB"],
    [1536 * 1024, "1.50 MiB"],
    [999.6 * GIB, "0.976 TiB"],
    [18e12, "16.4 TiB"],
  ];
  for (const [bytes, expected] of cases) assert.equal(formatBytes(bytes), expected);
});
