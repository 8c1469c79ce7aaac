/**
 * Every errno that mount(2) and umount2(2) can give: tried again or final, with its sentence, and what the
 * real run makes of it. The sentences stand in `testdata/errno.txt`.
 */
import assert from "node:assert/strict";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import { type Ending, EXIT, exitCode, type FailureKind } from "../../mod/exit.ts";
import { explainMount, type MountFacts } from "../../mod/explain.ts";
import { ERRNO, errnoName } from "../../mod/linux.ts";
import { run } from "../../mod/run.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { Signals } from "../../mod/signals.ts";
import type { MountSpec } from "../../mod/source.ts";
import { explainUnmount, retriesUnmount } from "../../mod/unmount_reasons.ts";
import { FakeWorld, TARGET } from "../support/fake_world.ts";
import { prove } from "../support/soak.ts";
import { fixture } from "./fixture.ts";

const FIRST = 1;
const LAST = 133;
const ALL = Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);

/** What no time, no plug and no server can cure. Everything else is tried again. */
const FINAL: Readonly<Partial<Record<keyof typeof ERRNO, FailureKind>>> = {
  EPERM: "not permitted",
  EFAULT: "defect",
  ENOTBLK: "configuration",
  ENODEV: "configuration",
  ENOTDIR: "configuration",
  ENAMETOOLONG: "configuration",
  ENOSYS: "not permitted",
  ELOOP: "configuration",
};
/** What umount2(2) is called again for, before the mount is detached. */
const PASSING = ["EINTR", "EAGAIN", "ENOMEM", "EBUSY", "ERESTART"];

const DISK: MountSpec = {
  source: "/dev/sda1",
  target: TARGET,
  fstype: "ext4",
  flags: 0x20000e,
  data: "",
};
const EXPORT: MountSpec = { ...DISK, source: "server:/export", fstype: "nfs4" };
const FACTS: MountFacts = {
  mounts: [],
  filesystems: ["ext4"],
  blkidType: undefined,
  sourceExists: true,
  targetExists: true,
  root: true,
  kernelLines: [],
};

/** The part of a message behind the errno's name. */
const reasonIn = (text: string, errno: number) => text.split(`${errnoName(errno)} `, 2)[1]!;

/** A row of `testdata/errno.txt`. */
function row(errno: number): string {
  const disk = explainMount(errno, DISK, FACTS);
  const other = explainMount(errno, EXPORT, FACTS);
  assert.deepEqual([other.retry, other.kind], [disk.retry, disk.kind], errnoName(errno));
  const code = disk.retry ? "" : ` ${EXIT[disk.kind].host}`;
  const ofDisk = reasonIn(disk.text, errno);
  const ofExport = reasonIn(other.text, errno);
  return [
    `${errno} ${errnoName(errno)}`,
    `mount: ${disk.retry ? "retry" : "final"}${code} ${ofDisk}`,
    ...ofExport === ofDisk || ofExport === ofDisk.replaceAll("ext4", "nfs4")
      ? []
      : [`export: ${ofExport}`],
    `umount: ${retriesUnmount(errno) ? "retry" : "detach"} ${
      reasonIn(explainUnmount(errno, TARGET, []), errno)
    }`,
  ].join("\n  ");
}

Deno.test("P9: each errno of mount(2) and umount2(2) has its class and its sentence", async () => {
  assert.equal(ALL.map(row).join("\n") + "\n", await fixture("errno.txt"));
});

Deno.test("only what nothing can cure is final", () => {
  for (const errno of ALL) {
    const name = errnoName(errno);
    const { retry, kind, text } = explainMount(errno, DISK, FACTS);
    const final = FINAL[name as keyof typeof ERRNO];
    assert.deepEqual({ retry, kind }, { retry: final === undefined, kind: final ?? "mount" }, name);
    assert.ok(text.includes(`: ${name} (`), text);
    assert.equal(retriesUnmount(errno), PASSING.includes(name), name);
  }
});

/** The real run on a disk that is there, in a world in memory. */
function start(
  world: FakeWorld,
  variables: Readonly<Record<string, string>> = {},
): { signals: Signals; ended: Promise<Ending> } {
  world.plug({ path: DISK.source, minor: 1, uuid: "wanted", label: "backup" });
  const args = ["--path", `${TARGET}/restic`, "--no-auth"];
  const signals = new Signals();
  const config = parseConfig(
    mergeSettings({ MNT_SOURCE: "UUID=wanted", MNT_TARGET: TARGET, ...variables }),
    parseServerArgs(args),
    "/",
  );
  const ended = run({ config, args, directory: "/", signals, world: world.world("host") });
  return { signals, ended };
}

/** mount(2) fails once: the run serves after a pause, or ends with the code of its class. */
async function failingMount(errno: number): Promise<void> {
  const name = errnoName(errno);
  const world = new FakeWorld();
  world.mountErrors.push(errno);
  const { signals, ended } = start(world);
  await world.advance(60_000);
  world.check();
  const final = FINAL[name as keyof typeof ERRNO];
  const said = world.lines.filter((line) => line.includes(`: ${name} (`));
  assert.equal(said.length, 1, `${name} is said once:\n${world.lines.join("\n")}`);
  assert.equal(said[0]!.endsWith("; trying again"), final === undefined, said[0]);
  assert.equal(world.liveServer !== undefined, final === undefined, `${name}: who serves?`);
  signals.take("SIGTERM", world.nowMs);
  await world.advance(60_000);
  const code = exitCode(await ended, "host");
  assert.equal(code, final === undefined ? 0 : EXIT[final].host, name);
  assert.deepEqual(world.mounts, [], `${name}: mounted at the end`);
}

Deno.test("P8: a mount that goes on failing is given up after MNT_WAIT, which the line says", async () => {
  const world = new FakeWorld();
  world.mountErrors.push(...Array.from({ length: 20 }, () => ERRNO.EIO));
  const { ended } = start(world, { MNT_WAIT: "20" });
  await world.advance(60_000);
  assert.equal(exitCode(await ended, "host"), EXIT.mount.host);
  assert.match(world.lines.at(-1)!, /^error: Cannot mount .*; gave up after 20 s \(MNT_WAIT\)$/);
});

/** umount2(2) fails once: it is called again, or the mount is detached with 32. */
async function failingUnmount(errno: number): Promise<void> {
  const name = errnoName(errno);
  const world = new FakeWorld();
  const unmount = world.mounter.unmount;
  let failed = false;
  world.mounter.unmount = (target, options) => {
    if (failed || options.detach) return unmount(target, options);
    failed = true;
    return Promise.resolve(errno);
  };
  const { signals, ended } = start(world);
  await world.advance(1000);
  assert.ok(world.liveServer, `${name}: it serves`);
  signals.take("SIGTERM", world.nowMs);
  await world.advance(60_000);
  const code = exitCode(await ended, "host");
  assert.equal(code, PASSING.includes(name) ? 0 : 32, name);
  assert.equal(world.detached, !PASSING.includes(name), name);
  assert.deepEqual(world.mounts, [], `${name}: mounted at the end`);
  const said = world.lines.filter((line) => line.includes(`Cannot unmount "${TARGET}": ${name} (`));
  assert.equal(said.length, 1, `${name} is said once:\n${world.lines.join("\n")}`);
}

for (
  const [call, fails] of [["mount(2)", failingMount], ["umount2(2)", failingUnmount]] as const
) {
  Deno.test(`P8, P9: the run does what each errno of ${call} asks for`, async () => {
    await prove(
      { name: `every errno of ${call}`, ci: ALL.length, soak: ALL.length },
      async (tally) => {
        for (; tally.done < tally.count; tally.done++) await fails(ALL[tally.done]!);
      },
    );
  });
}
