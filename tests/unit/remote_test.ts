/** Calls that wait for a server which never answers. */
import assert from "node:assert/strict";
import { MountError } from "../../mod/call_mount.ts";
import type { MountConfig } from "../../mod/config.ts";
import type { FoundSource } from "../../mod/found.ts";
import { type Mounted, mountSource } from "../../mod/mount.ts";
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { patientCall, untilStopped } from "../../mod/remote.ts";
import { detach, unmount } from "../../mod/unmount.ts";
import type { World } from "../../mod/world.ts";
import { facts, filesOf, worldOf } from "./fake_parts.ts";

/** An export on /mnt, as mountinfo shows it. */
const MOUNTINFO = "30 1 0:50 / /mnt rw - nfs4 server:/export rw\n";

/** A mount, and a world whose clock only waits move; giving up is what `onGiveUp` does. */
function mountOf(majorMinors: string[], onGiveUp = () => {}, ours = true) {
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  let nowMs = 0;
  const world = worldOf({
    log: { info: say, warn: say, error: say },
    clock: {
      now: () => nowMs,
      async sleep(ms, signal) {
        await new Promise((resolve) => setTimeout(resolve));
        if (!signal?.aborted) nowMs += ms;
      },
    },
    mounter: {
      giveUp(target: string) {
        said.push(`gave up on ${target} after ${nowMs} ms`);
        onGiveUp();
        return Promise.resolve();
      },
    } as World["mounter"],
  });
  const info = { mountPoint: "/mnt" };
  const found = { source: "server:/export", majorMinors };
  const mounted = { found, info, ours } as unknown as Mounted;
  return { said, world, mounted };
}

Deno.test("P7: the kernel is told to give up on a server, and the call comes back", async () => {
  const call = Promise.withResolvers<number>();
  const { said, world, mounted } = mountOf([], () => call.resolve(16));
  assert.equal(await patientCall("umount2(2)", call.promise, 9000, mounted, world), 16);
  assert.deepEqual(said.map((line) => line.split(";")[0]), [
    'umount2(2) waits for "server:/export", which does not answer: telling the kernel to give up ' +
    "on it (MNT_FORCE)",
    "gave up on /mnt after 9000 ms",
  ]);
});

Deno.test("P7: a call that does not even come back then is left to itself", async () => {
  const { said, world, mounted } = mountOf([]);
  const never = new Promise<number>(() => {});
  assert.equal(await patientCall("umount2(2)", never, 9000, mounted, world), null);
  assert.equal(said.length, 2);
});

Deno.test("P3: nobody else's mount is given up", async () => {
  const { said, world, mounted } = mountOf([], () => {}, false);
  const never = new Promise<number>(() => {});
  assert.equal(await patientCall("syncfs(2)", never, 9000, mounted, world), null);
  assert.deepEqual(said, []);
});

Deno.test("a call that returns is not given up, nor is one on a disk", async () => {
  const remote = mountOf([]);
  const soon = Promise.resolve(0);
  assert.equal(await patientCall("umount2(2)", soon, 9000, remote.mounted, remote.world), 0);
  assert.deepEqual(remote.said, []);

  const disk = mountOf(["8:1"]);
  const call = Promise.withResolvers<number>();
  const waiting = patientCall("umount2(2)", call.promise, 9000, disk.mounted, disk.world);
  while (disk.world.clock.now() < 60_000) await new Promise((resolve) => setTimeout(resolve));
  call.resolve(0);
  assert.equal(await waiting, 0);
  assert.match(disk.said[0]!, /^still waiting for umount2\(2\) after 10 s/);
  assert.ok(!disk.said.some((line) => line.includes("give up")), disk.said.join("\n"));
});

Deno.test("untilStopped() gives the call's result, its error, or the reason of the stop", async () => {
  const stop = new AbortController();
  assert.equal(await untilStopped(Promise.resolve(7), stop.signal), 7);
  await assert.rejects(untilStopped(Promise.reject(new Error("x")), stop.signal), /^Error: x$/);
  const never = untilStopped(new Promise(() => {}), stop.signal);
  stop.abort("SIGTERM");
  const reason = (promise: Promise<unknown>) => promise.then(() => "none", (reason) => reason);
  assert.equal(await reason(never), "SIGTERM");
  assert.equal(await reason(untilStopped(new Promise(() => {}), stop.signal)), "SIGTERM");
});

/** An export whose umount2(2) hangs: always, or without MNT_DETACH alone, which takes it off its target. */
function hangingExport(hangs: "plain" | "always") {
  const mountinfo = { "/proc/self/mountinfo": MOUNTINFO };
  const { said, world, mounted } = mountOf([]);
  const mounter: World["mounter"] = {
    ...world.mounter,
    closeDirectory: () => Promise.resolve(),
    unmount: (_target, { detach }) => {
      said.push(detach ? "MNT_DETACH" : "umount2(2)");
      if (detach) mountinfo["/proc/self/mountinfo"] = "";
      return detach && hangs === "plain" ? Promise.resolve(0) : new Promise(() => {});
    },
  };
  const files = {
    ...filesOf({}),
    readText: () => Promise.resolve(mountinfo["/proc/self/mountinfo"]),
  };
  return {
    said,
    world: worldOf({
      log: world.log,
      clock: world.clock,
      mounter,
      files,
    }),
    mounted: {
      ...mounted,
      info: parseMountinfo(MOUNTINFO)[0]!,
      ours: true,
      rootFd: 9,
      sync: () => Promise.resolve(true),
    },
  };
}

Deno.test("P7: a umount2(2) that never returns is said, and the mount detached", async () => {
  const { said, world, mounted } = hangingExport("plain");
  assert.equal(await unmount(mounted, world), false);
  const short = said.map((line) => line.replace(/ waits for .*/, " hangs"));
  assert.deepEqual(short, [
    "umount2(2)",
    'umount2(2) of "/mnt" hangs',
    "gave up on /mnt after 10000 ms",
    'Cannot unmount "/mnt": the call hangs; detaching it lazily',
    "MNT_DETACH",
  ]);
});

Deno.test("P7: MNT_DETACH that waits for its server has done its work all the same", async () => {
  const { said, world, mounted } = hangingExport("always");
  assert.equal(await detach(mounted, world), true);
  assert.match(said.at(-1)!, /^detached "\/mnt"/);
});

Deno.test("P6: a sync that a server does not end, or refuses, is not laid on a disk", async () => {
  const cases: [Promise<boolean>, string][] = [
    [new Promise(() => {}), "the server did not answer within 30 s"],
    [Promise.resolve(false), "the server refused, or did not answer in time"],
  ];
  for (const [synced, why] of cases) {
    const { said, world, mounted } = hangingExport("plain");
    assert.equal(await unmount({ ...mounted, sync: () => synced }, world), false);
    assert.deepEqual(said.filter((line) => line.startsWith("Cannot write")), [
      `Cannot write everything to "server:/export": ${why}; ` +
      "check the network and the server, then run restic check",
    ]);
  }
});

/** Mounting an export that is on its target already; it is asked by `list` alone, until that answers. */
function mountedExport(list: () => Promise<string[]>) {
  const { said, world } = mountOf([]);
  const files = {
    ...filesOf({ "/proc/self/mountinfo": MOUNTINFO, "/mnt": facts("directory") }),
    list,
    makeDirectory: () => {
      said.push("the target is asked for");
      return Promise.reject(new Error(said.at(-1)));
    },
  };
  const mount = { user: null, data: "", flags: 0 } as MountConfig;
  const found = { source: "server:/export", fstype: "nfs4", majorMinors: [], otherMembers: [] };
  const mounting = mountSource(
    mount,
    "/mnt",
    found as unknown as FoundSource,
    {},
    worldOf({ log: world.log, clock: world.clock, files }),
  );
  return { said, mounting };
}

Deno.test("P7: an export that is mounted already and does not answer is said to hang", async () => {
  const list = Promise.withResolvers<string[]>();
  const { said, mounting } = mountedExport(() => list.promise);
  const refused = assert.rejects(mounting, /the target is asked for/);
  while (said.length === 0) await new Promise((resolve) => setTimeout(resolve));
  assert.match(
    said[0]!,
    /^still waiting for an answer from the mount of "server:\/export" on "\/mnt" after 10 s/,
  );
  list.resolve([]);
  await refused;
});

Deno.test("P8: one that answers with an error is tried again, and is no fault of the configuration", async () => {
  const { mounting } = mountedExport(() => Promise.reject(new Error("ETIMEDOUT")));
  const error = await mounting.catch((error) => error);
  assert.ok(error instanceof MountError, String(error));
  assert.equal(error.explanation.retry, true);
  assert.match(error.message, /^Cannot take over the mount of "server:\/export" on "\/mnt": /);
});
