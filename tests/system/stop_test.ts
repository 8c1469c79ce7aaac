/** P2, P7, P8: stopping in each phase; a server that does not stop; a server that ends by itself. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { httpStatus, stuckUpload } from "../support/http.ts";
import { serverPid } from "../support/processes.ts";
import { fsck, mountsOn, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  await systemTest([], `${signal} while it waits for the disk: 0, nothing mounted`, async () => {
    await using where = await place();
    await using wrapper = where.serve({ source: `UUID=${crypto.randomUUID()}` });
    await wrapper.errLine(/waiting for/);
    wrapper.signal(signal);
    assert.equal(await wrapper.code(), 0);
    await wrapper.errLine(new RegExp(`${signal}: stopped; rest-server was not running`));
    assert.deepEqual(mountsOn(where.target), []);
  });

  await systemTest([], `${signal} between two attempts to mount: 0, nothing mounted`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: { MNT_FSTYPE: "btrfs" } });
    await wrapper.errLine(/Cannot mount .*; trying again/);
    wrapper.signal(signal);
    assert.equal(await wrapper.code(), 0);
    assert.deepEqual(mountsOn(where.target), []);
  });

  await systemTest([], `${signal} while it serves: 0, unmounted, clean`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path });
    const address = await wrapper.listening();
    assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
    wrapper.signal(signal);
    assert.equal(await wrapper.code(), 0);
    await wrapper.errLine(/rest-server has stopped/);
    await wrapper.errLine(/unmounted ".*\/target"/);
    assert.deepEqual(mountsOn(where.target), []);
    await fsck("ext4", disk);
  });
}

await systemTest([], "SIGTERM at any moment of the start: 0, unmounted", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  // The moments are those at which a line of it is seen, and the first at which it can be reached at all.
  const listens = async (pid: number) =>
    /^SigCgt:\t[0-9a-f]*[4-7c-f][0-9a-f]{3}$/m.test(await Deno.readTextFile(`/proc/${pid}/status`));
  for (const moment of ["listens", "mounted", "Data directory", "start server"]) {
    await using wrapper = where.serve({ source: disk.path });
    if (moment === "listens") await until(() => listens(wrapper.pid), "a listener for SIGTERM");
    else await wrapper.errLine(new RegExp(moment));
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0, `${moment}:\n${wrapper.errLines.join("\n")}`);
    assert.deepEqual(mountsOn(where.target), []);
  }
});

interface Stuck {
  readonly name: string;
  readonly seconds: string;
  readonly stop: readonly ("SIGTERM" | "SIGINT")[];
  readonly says: RegExp;
}

const STUCK: Stuck[] = [
  {
    name: "after MNT_STOP",
    seconds: "1",
    stop: ["SIGTERM"],
    says: /killing rest-server .*: it did not stop within 1 s \(MNT_STOP\)/,
  },
  {
    name: "at once with MNT_STOP=0",
    seconds: "0",
    stop: ["SIGTERM"],
    says: /killing rest-server .*: it did not stop within 0 s \(MNT_STOP\)/,
  },
  {
    name: "by a second SIGINT before a long MNT_STOP is over",
    seconds: "1000",
    stop: ["SIGINT", "SIGINT"],
    says: /killing rest-server .*: a second SIGINT asked for it/,
  },
  {
    name: "by a SIGINT after a SIGTERM",
    seconds: "1000",
    stop: ["SIGTERM", "SIGINT"],
    says: /killing rest-server .*: a second SIGINT asked for it/,
  },
];

for (const { name, seconds, stop: [first, second], says } of STUCK) {
  await systemTest([], `a stuck upload is killed ${name}: 137, unmounted, clean`, async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: { MNT_STOP: seconds } });
    using _upload = await stuckUpload(await wrapper.listening());
    const file = `${where.target}/restic/config`;
    await until(() => Deno.stat(file).catch(() => null), "half an upload on the disk");
    wrapper.signal(first!);
    await wrapper.errLine(new RegExp(`${first}: stopping rest-server`));
    // Within a moment of the first one it counts as the same key press, so it is sent until it counts.
    await until(() => {
      if (wrapper.errLines.some((line) => says.test(line))) return true;
      if (second !== undefined) wrapper.signal(second);
    }, `line ${says}`);
    assert.equal(await wrapper.code(), 137);
    assert.deepEqual(mountsOn(where.target), []);
    await fsck("ext4", disk);
  });
}

await systemTest([], "SIGTERMs during the stop change nothing", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, env: { MNT_STOP: "1" } });
  using _upload = await stuckUpload(await wrapper.listening());
  await until(() => Deno.stat(`${where.target}/restic/config`).catch(() => null), "half an upload");
  for (let round = 0; round < 5; round++) wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 137);
  assert.equal(wrapper.errLines.filter((line) => /: stopping rest-server/.test(line)).length, 1);
  assert.deepEqual(mountsOn(where.target), []);
});

await systemTest(["program:setsid"], "Ctrl-C, which both processes get: 0, unmounted", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, prefix: ["setsid"] });
  await wrapper.listening();
  Deno.kill(-wrapper.pid, "SIGINT");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
  assert.deepEqual(mountsOn(where.target), []);
});

const ENDS: { signal: Deno.Signal; code: number; says: RegExp }[] = [
  { signal: "SIGKILL", code: 137, says: /rest-server was ended by SIGKILL/ },
  { signal: "SIGHUP", code: 129, says: /rest-server was ended by SIGHUP/ },
  { signal: "SIGTERM", code: 0, says: /rest-server ended with exit code 0/ },
];
for (const { signal, code, says } of ENDS) {
  await systemTest(
    [],
    `${signal} to rest-server from outside: ${code}, unmounted, clean`,
    async () => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      await using wrapper = where.serve({ source: disk.path });
      await wrapper.listening();
      Deno.kill(serverPid(wrapper), signal);
      assert.equal(await wrapper.code(), code);
      await wrapper.errLine(says);
      assert.deepEqual(mountsOn(where.target), []);
      await fsck("ext4", disk);
    },
  );
}

await systemTest([], "rest-server ends by itself with an error: its code, unmounted", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path, args: ["--no-auth", "--no-such-flag"] });
  assert.equal(await wrapper.code(), 1);
  await wrapper.errLine(/unknown flag: --no-such-flag/);
  await wrapper.errLine(/rest-server ended with exit code 1; its own lines above say why/);
  assert.deepEqual(mountsOn(where.target), []);
});
