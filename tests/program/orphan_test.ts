/** P3: a rest-server that holds the lock without its wrapper is ended, and nobody else's process ever is. */
import assert from "node:assert/strict";
import { files } from "../../mod/edges.ts";
import { lockName, parseLockRecord } from "../../mod/lock.ts";
import { markServer, type ServerMark } from "../../mod/processes.ts";
import { chooseRunDirectory } from "../../mod/run_directory.ts";
import { worldOf } from "../unit/fake_parts.ts";
import { fakePlace, type Place, QUIET_ARGS, waiting } from "../support/fake_server.ts";
import { isRunning } from "../support/processes.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** No process has this number: it is above the kernel's greatest. */
const DEAD = { pid: 2 ** 22 + 1, startTime: "1" };

async function lockPath(place: Place, target: string): Promise<string> {
  const directory = await chooseRunDirectory({ XDG_RUNTIME_DIR: place.path });
  return `${directory}/${await lockName(target)}`;
}

/** A process that holds the lock of a target, as its lock file says or does not say. */
async function orphan(place: Place, change: Partial<ServerMark>) {
  const target = `${place.path}/mnt`;
  const path = await lockPath(place, target);
  const child = new Deno.Command("flock", {
    args: ["--no-fork", path, "sleep", "1000"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const world = worldOf({ files });
  const server = await until(async () => {
    const mark = await markServer(child.pid, world);
    return mark?.executable.endsWith("/flock") ? undefined : mark;
  }, "a process that sleeps with the lock");
  await Deno.writeTextFile(
    path,
    JSON.stringify({ target, wrapper: DEAD, server: { ...server, ...change } }),
  );
  return {
    target,
    pid: child.pid,
    status: child.status,
    async [Symbol.asyncDispose]() {
      if (isRunning(child.pid)) child.kill("SIGKILL");
      await child.status;
      await Deno.remove(path).catch(() => {});
    },
  };
}

/** Waits for a disk that nobody has, once it has the lock. */
async function startWaiting(place: Place, target: string): Promise<Wrapper> {
  return place.start({
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
    env: {
      MNT_SOURCE: "LABEL=nobody-has-this",
      MNT_TARGET: target,
      MNT_BLKID: await place.script("blkid", "exit 2"),
    },
  });
}

Deno.test("P3: an orphaned rest-server is ended, said, and the target taken over", async () => {
  await using place = await fakePlace();
  await using left = await orphan(place, {});
  await using wrapper = await startWaiting(place, left.target);
  await wrapper.errLine(
    new RegExp(`ended the rest-server of an earlier run, process ${left.pid}: its wrapper died`),
  );
  await wrapper.errLine(/waiting for LABEL=nobody-has-this/);
  assert.equal((await left.status).signal, "SIGKILL");
});

Deno.test("P3: one that dies by itself is only waited for", async () => {
  await using place = await fakePlace();
  await using left = await orphan(place, {});
  await using wrapper = await startWaiting(place, left.target);
  Deno.kill(left.pid, "SIGTERM");
  await wrapper.errLine(/waiting for LABEL=nobody-has-this/);
  assert.equal((await left.status).signal, "SIGTERM");
});

/** What the lock file can say of a process that is not what it means. */
const FORGED: Record<string, Partial<ServerMark>> = {
  "another start time, a pid that was used again": { startTime: "1" },
  "another executable": { executable: "/usr/bin/rest-server" },
  // It would end this test.
  "another process, which has no lock": await markServer(Deno.pid, worldOf({ files })) ?? {},
};
for (const [what, change] of Object.entries(FORGED)) {
  Deno.test(`P3: nobody else's process is signalled: ${what}: 75`, async () => {
    await using place = await fakePlace();
    await using left = await orphan(place, change);
    await using wrapper = await startWaiting(place, left.target);
    assert.equal(await wrapper.code(), 75, wrapper.errLines.join("\n"));
    assert.match(
      wrapper.errLines.at(-1)!,
      /error: Cannot use ".*": .*; stop that one first, or set/,
    );
    assert.ok(isRunning(left.pid));
  });
}

Deno.test("P7: SIGTERM ends the wait for an orphan's lock: 0", async () => {
  await using place = await fakePlace();
  await using left = await orphan(place, { startTime: "1" });
  await using wrapper = await startWaiting(place, left.target);
  await until(async () => {
    const status = await Deno.readTextFile(`/proc/${wrapper.pid}/status`);
    return (BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(status)?.[1]}`) & (1n << 14n)) !== 0n;
  }, "a handler of SIGTERM");
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  assert.ok(isRunning(left.pid));
});

Deno.test("P3: a launcher that is frozen while it waits, of a wrapper that was killed, is ended, too", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  await using killed = place.start(await waiting(place, { target, blkid: ["exec sleep 1000"] }));
  const lock = await lockPath(place, target);
  const launcher = await until(async () => {
    const left = parseLockRecord(await Deno.readTextFile(lock).catch(() => ""));
    return left?.server?.pid;
  }, "a launcher that the lock file names");
  Deno.kill(launcher, "SIGSTOP");
  killed.signal("SIGKILL");
  await until(() => !isRunning(killed.pid), "the end of the program");
  await using next = await startWaiting(place, target);
  await next.errLine(new RegExp(`ended the .* of an earlier run, process ${launcher}:`));
  await next.errLine(/waiting for LABEL=nobody-has-this/);
});
