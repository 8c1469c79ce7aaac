/** P9: what rest-server would only say by exit 1 is said before it starts, with the cure, and unmounted. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type Disk, loopDisk } from "../support/disk.ts";
import { httpStatus, unixAnswer } from "../support/http.ts";
import { serverPid } from "../support/processes.ts";
import { run } from "../support/command.ts";
import { mountsOn, type Place, place, refusalCode, systemTest } from "../support/system.ts";
import type { ServeOptions } from "../support/system.ts";
import { until } from "../support/wait.ts";

async function refuses(where: Place, options: ServeOptions, code: number, says: RegExp) {
  await using wrapper = where.serve(options);
  assert.equal(await refusalCode(wrapper), code, wrapper.errLines.join("\n"));
  await wrapper.errLine(says);
  assert.ok(!wrapper.errLines.some((line) => line.startsWith("Data directory")));
  assert.deepEqual(mountsOn(where.target), []);
}

/** A line of .htpasswd in the form that needs no bcrypt. */
function htpasswdLine(user: string): string {
  return `${user}:{SHA}${createHash("sha1").update(user).digest("base64")}\n`;
}

async function statusAs(user: string, address: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:${user}`).toString("base64")}`;
  return await httpStatus(`http://${address}/config`, { headers: { authorization } });
}

async function putOnDisk(where: Place, disk: Disk, name: string, text: string): Promise<void> {
  await Deno.mkdir(where.target, { recursive: true });
  await run("mount", disk.path, where.target);
  await Deno.mkdir(`${where.target}/restic`, { recursive: true });
  await Deno.writeTextFile(`${where.target}/restic/${name}`, text);
  await run("umount", where.target);
}

await systemTest([], "no .htpasswd: 78, says how to make one", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const file = `${where.target}/restic/.htpasswd`;
  const says = new RegExp(`Cannot read the password file "${file}".*htpasswd -B -c.*--no-auth`);
  await refuses(where, { source: disk.path, args: [] }, 78, says);
  await refuses(where, { source: disk.path, args: ["--no-auth=false"] }, 78, says);
  const elsewhere = `${where.directory}/passwords`;
  await refuses(
    where,
    { source: disk.path, args: ["--htpasswd-file", elsewhere] },
    78,
    new RegExp(`"${elsewhere}"`),
  );
});

await systemTest([], ".htpasswd on the disk is used, and SIGHUP reads it again", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await putOnDisk(where, disk, ".htpasswd", htpasswdLine("anna"));
  await using wrapper = where.serve({ source: disk.path, args: [] });
  const address = await wrapper.listening();
  assert.equal(await statusAs("anna", address), 404);
  assert.equal(await statusAs("berta", address), 401);
  const file = `${where.target}/restic/.htpasswd`;
  await Deno.writeTextFile(file, htpasswdLine("anna") + htpasswdLine("berta"));
  wrapper.signal("SIGHUP");
  await wrapper.errLine(/Reloaded htpasswd file/);
  assert.equal(await statusAs("berta", address), 404);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

await systemTest([], "SIGHUP with --no-auth is dropped and serving goes on", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  const address = await wrapper.listening();
  for (let round = 0; round < 3; round++) {
    wrapper.signal("SIGHUP");
    assert.equal(await httpStatus(`http://${address}/config`), 404);
  }
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, "rest-server died of SIGHUP");
});

await systemTest([], "missing TLS files: 78, each is named", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const base = ["--no-auth", "--tls"];
  const certificate = new RegExp(`TLS certificate "${where.target}/restic/public_key".*--tls-cert`);
  await refuses(where, { source: disk.path, args: base }, 78, certificate);
  await Deno.writeTextFile(`${where.directory}/certificate`, "");
  await refuses(
    where,
    { source: disk.path, args: [...base, "--tls-cert", "certificate", "--tls-key=none"] },
    78,
    new RegExp(`TLS key "${where.directory}/none".*--tls-key`),
  );
});

for (const host of ["127.0.0.1", ""]) {
  await systemTest(
    [],
    `a port that is in use on "${host}": 75, says how to see by whom`,
    async () => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = taken.addr;
      await refuses(
        where,
        { source: disk.path, listen: `${host}:${port}` },
        75,
        new RegExp(`Cannot listen on "${host}:${port}": the address is in use; .*ss -ltnp`),
      );
    },
  );
}

await systemTest(
  [],
  "the dead socket file of a killed program and its rest-server is removed, and served on",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const path = `${where.directory}/socket`;
    const options = { source: disk.path, listen: "unix:socket" };
    {
      await using wrapper = where.serve(options);
      await wrapper.listening();
      wrapper.signal("SIGKILL");
      assert.equal(await wrapper.code(), 137);
    }
    assert.ok((await Deno.stat(path)).isSocket);
    await using wrapper = where.serve(options);
    await wrapper.errLine(new RegExp(`removed the dead socket "${path}"`));
    await wrapper.listening();
    assert.match(await unixAnswer(path), /^HTTP\/1\.0 404/);
  },
);

await systemTest([], "the socket file goes with rest-server, however that ends", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await using wrapper = where.serve({ source: disk.path, listen: "unix:socket" });
    await wrapper.listening();
    assert.ok((await Deno.stat(`${where.directory}/socket`)).isSocket);
    Deno.kill(serverPid(wrapper), signal);
    await wrapper.code();
    await assert.rejects(Deno.stat(`${where.directory}/socket`), Deno.errors.NotFound);
  }
});

await systemTest(
  [],
  "a socket file on which somebody answers is refused, and left alone",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using other = await place();
    await using second = await loopDisk({ fstype: "ext4" });
    const path = `${where.directory}/socket`;
    await using first = other.serve({ source: second.path, listen: `unix:${path}` });
    await first.listening();
    await refuses(
      where,
      { source: disk.path, listen: `unix:${path}` },
      75,
      new RegExp(`Cannot listen on "unix:${path}": somebody answers there`),
    );
    assert.match(await unixAnswer(path), /^HTTP\/1\.0 404/);
  },
);

await systemTest([], "a file that is no socket is not removed for --listen unix:", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await Deno.writeTextFile(`${where.directory}/socket`, "precious");
  await using wrapper = where.serve({ source: disk.path, listen: "unix:socket" });
  assert.equal(await refusalCode(wrapper), 1, "rest-server's own refusal");
  await until(() => mountsOn(where.target).length === 0, "unmounted");
  assert.equal(await Deno.readTextFile(`${where.directory}/socket`), "precious");
});
