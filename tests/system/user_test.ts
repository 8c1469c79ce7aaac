/** MNT_USER: rest-server runs as a user of its own, with that user's rights alone. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { serverPid } from "../support/processes.ts";
import { resticRoundTrip } from "../support/restic.ts";
import {
  mountsOn,
  type Place,
  place,
  realTools,
  refusalCode,
  systemTest,
} from "../support/system.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Nobody's, and two that differ. */
const [UID, GID] = [54321, 54322];
const MNT_USER = `${UID}:${GID}`;

/** Runs a shell script in the directory of a disk, as root. */
async function onDisk(where: Place, disk: Disk, script: string): Promise<void> {
  await Deno.mkdir(where.target, { recursive: true });
  await run("mount", disk.path, where.target);
  await run("sh", "-ec", `cd "$1"; ${script}`, "sh", where.target);
  await run("umount", where.target);
}

/** Lets the user of MNT_USER in, where a rest-server is that it may execute. */
async function openPlace(): Promise<Place & { env: Record<string, string> }> {
  const where = await place();
  await Deno.chmod(where.directory, 0o755);
  const MNT_SERVER = `${where.directory}/rest-server`;
  await Deno.copyFile((await realTools())["rest-server"], MNT_SERVER);
  return { ...where, env: { MNT_USER, MNT_SERVER } };
}

function start(
  where: Awaited<ReturnType<typeof openPlace>>,
  disk: Disk,
  args: readonly string[] = ["--no-auth"],
  listen?: string,
) {
  return where.serve({
    source: disk.path,
    args,
    env: where.env,
    ...(listen === undefined ? {} : { listen }),
  });
}

/** One error, and nothing left mounted. */
async function refuses(where: Place, wrapper: Wrapper, line: RegExp): Promise<void> {
  assert.equal(await refusalCode(wrapper), 78, wrapper.errLines.join("\n"));
  const errors = wrapper.errLines.filter((text) => text.includes(" error: "));
  assert.equal(errors.length, 1, errors.join("\n"));
  assert.match(errors[0]!, line);
  assert.deepEqual(mountsOn(where.target), []);
}

/** Fields of rest-server's `/proc/PID/status`. */
async function statusOf(wrapper: Wrapper): Promise<Map<string, string>> {
  const text = await Deno.readTextFile(`/proc/${serverPid(wrapper)}/status`);
  return new Map(
    text.split("\n").map((line) => {
      const [name, value = ""] = line.split(":\t");
      return [name!, value.trim()];
    }),
  );
}

/** Fails unless rest-server is that user, and has just these capabilities. */
async function assertUser(wrapper: Wrapper, capabilities: bigint): Promise<void> {
  const status = await statusOf(wrapper);
  assert.equal(status.get("Uid"), Array(4).fill(UID).join("\t"));
  assert.equal(status.get("Gid"), Array(4).fill(GID).join("\t"));
  assert.equal(status.get("Groups"), String(GID));
  assert.equal(status.get("NoNewPrivs"), "1");
  for (const set of ["CapEff", "CapPrm", "CapInh", "CapAmb"]) {
    assert.equal(BigInt(`0x${status.get(set)}`), capabilities, set);
  }
}

await systemTest(
  [],
  "MNT_USER: a disk that is not its own is one line with the cure, then serves",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await openPlace();
    {
      await using wrapper = start(where, disk);
      const { target } = where;
      const line = `Cannot write to "${target}" as MNT_USER=${MNT_USER}: EACCES; ` +
        `give it that owner with: chown -R ${MNT_USER} "${target}"`;
      await refuses(where, wrapper, new RegExp(`error: ${line.replace(/[()]/g, "\\$&")}$`));
    }
    await onDisk(where, disk, `chown -R ${MNT_USER} .`);
    await using wrapper = start(where, disk);
    const address = await wrapper.listening();
    await assertUser(wrapper, 0n);
    await resticRoundTrip(address, where.directory);
    const foreign = ["!", "-user", String(UID), "-o", "!", "-group", String(GID)];
    assert.equal(await run("find", `${where.target}/restic`, ...foreign), "");
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  },
);

await systemTest([], "MNT_USER: a port below 1024 takes one capability, and no other", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await openPlace();
  await onDisk(where, disk, `chown -R ${MNT_USER} .`);
  // Another address of the loopback network, lest something here has port 80.
  await using wrapper = start(where, disk, ["--no-auth"], "127.83.71.5:80");
  assert.equal(await wrapper.listening(), "127.83.71.5:80");
  await assertUser(wrapper, 1n << 10n);
  assert.equal(await httpStatus("http://127.83.71.5:80/config"), 404);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

await systemTest([], "MNT_USER: a password file that it cannot read is one line", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await openPlace();
  await onDisk(
    where,
    disk,
    `mkdir restic; chown -R ${MNT_USER} .; echo "a:{SHA}x" >restic/.htpasswd; chmod 600 restic/.htpasswd`,
  );
  await using wrapper = start(where, disk, []);
  const file = `${where.target}/restic/.htpasswd`;
  await refuses(
    where,
    wrapper,
    new RegExp(`Cannot read the password file "${file}" as MNT_USER=${MNT_USER}: EACCES; chgrp`),
  );
});

await systemTest(
  [],
  "MNT_USER: the files of --log are its own, or one line says why not",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await openPlace();
    await onDisk(where, disk, `chown -R ${MNT_USER} .`);
    {
      await using wrapper = start(where, disk, ["--no-auth", "--log", "requests.log"]);
      await refuses(
        where,
        wrapper,
        /Cannot write to --log ".*\/requests.log": EACCES; give another file$/,
      );
    }
    const logs = `${where.directory}/logs`;
    await Deno.mkdir(logs);
    await Deno.chown(logs, UID, GID);
    await using wrapper = start(where, disk, ["--no-auth", "--log", `${logs}/requests.log`]);
    const address = await wrapper.listening();
    assert.equal(await httpStatus(`http://${address}/config`), 404);
    const { uid, gid, size } = await Deno.stat(`${logs}/requests.log`);
    assert.deepEqual([uid, gid], [UID, GID]);
    assert.ok(size > 0);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  },
);

await systemTest(
  [],
  "MNT_USER: a disk that is mounted read-only is served to be restored from",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await openPlace();
    await onDisk(where, disk, `mkdir restic; chown -R ${MNT_USER} .`);
    await using wrapper = where.serve({
      source: disk.path,
      env: { ...where.env, MNT_OPTIONS: "ro" },
    });
    const address = await wrapper.listening();
    assert.equal(await httpStatus(`http://${address}/config`), 404);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  },
);

await systemTest([], "MNT_USER: a rest-server that it may not execute is one line", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await openPlace();
  await onDisk(where, disk, `chown -R ${MNT_USER} .`);
  await Deno.chmod(where.env["MNT_SERVER"]!, 0o700);
  await using wrapper = start(where, disk);
  assert.equal(await refusalCode(wrapper), 126);
  const [line] = await wrapper.errLine(/error: Cannot run rest-server .*/);
  assert.ok(line.endsWith(
    `: EACCES (execve(2)); may MNT_USER=${MNT_USER} execute it, and enter the directories above? ` +
      "MNT_SERVER names another one",
  ));
});
