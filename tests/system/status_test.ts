/** `status` of a real disk and the real rest-server. */
import assert from "node:assert/strict";
import { run, SYSTEM_PATH } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { serverPid, standIn } from "../support/processes.ts";
import { restic } from "../support/restic.ts";
import { askReport, askStatus, untilRun } from "../support/status.ts";
import { place, stopCleanly, systemTest } from "../support/system.ts";
import { PROGRAM } from "../support/wrapper.ts";

/** The question for the run of a place. */
const about = ({ target }: { readonly target: string }) => ({ env: { MNT_TARGET: target } });

/** statfs(2) by stat(1): unit, blocks, free ones, those for others than root, inodes, free ones. */
async function statfs(path: string) {
  const text = await run("stat", "--file-system", "--format", "%S %b %f %a %c %d", path);
  const [unit, blocks, free, available, inodes, freeInodes] = text.split(" ").map(Number);
  return {
    size_bytes: blocks! * unit!,
    used_bytes: (blocks! - free!) * unit!,
    free_bytes: available! * unit!,
    inodes: inodes!,
    free_inodes: freeInodes!,
  };
}

for (const fstype of ["ext4", "btrfs"] as const) {
  await systemTest(
    ["program:mkfs.btrfs"],
    `${fstype}: what serves, on what, how full`,
    async () => {
      await using disk = await loopDisk({ fstype });
      await using where = await place();
      await using wrapper = where.serve({ source: `UUID=${disk.uuid}` });
      const address = await wrapper.listening();
      await restic(address, "init");
      await run("sync", "-f", where.target);
      const seen = await untilRun(about(where), ({ serving }) => serving);
      assert.equal(seen.phase, "serving");
      assert.deepEqual([seen.source, seen.target], [`UUID=${disk.uuid}`, where.target]);
      assert.deepEqual([seen.devices, seen.fstype, seen.readonly], [[disk.path], fstype, false]);
      assert.deepEqual(seen.space, await statfs(where.target));
      assert.equal(seen.space!.inodes === 0, fstype === "btrfs");
      assert.deepEqual(seen.server, { pid: serverPid(wrapper), listening: [address] });
      const { code, out } = await askStatus(about(where));
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^disk {10}${disk.path}, ${fstype}, rw$`, "m"));
      assert.match(
        out,
        fstype === "btrfs" ? /^inodes {8}not counted/m : /^inodes {8}\d+ free of /m,
      );
      await stopCleanly(wrapper, where.target);
      assert.deepEqual((await askReport(about(where))).instances, []);
    },
  );
}

await systemTest([], "a unix socket is found by its path", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const listen = `unix:${where.directory}/a socket`;
  await using wrapper = where.serve({ source: disk.path, listen });
  const { server } = await untilRun(about(where), ({ serving }) => serving);
  assert.deepEqual(server!.listening, [listen]);
  await stopCleanly(wrapper, where.target);
});

await systemTest([], "read-only: as it was asked for", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await run("mount", "--mkdir", disk.path, where.target);
  await Deno.mkdir(`${where.target}/restic`);
  await run("umount", where.target);
  await using wrapper = where.serve({ source: disk.path, env: { MNT_OPTIONS: "ro" } });
  const { readonly } = await untilRun(about(where), ({ serving }) => serving);
  assert.equal(readonly, true);
  assert.match((await askStatus(about(where))).out, /^disk {10}.*, ext4, read-only$/m);
  await stopCleanly(wrapper, where.target);
});

await systemTest(
  [],
  "read-only after an error: it goes on serving restores, and says what has happened",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const env = { MNT_WATCH: "0.2", MNT_DATA: "errors=remount-ro" };
    await using wrapper = where.serve({ source: disk.path, env });
    await wrapper.listening();
    const name = disk.path.slice("/dev/".length);
    await Deno.writeTextFile(`/sys/fs/ext4/${name}/trigger_fs_error`, "test");
    const seen = await untilRun(about(where), ({ readonly }) => readonly === true);
    assert.equal(seen.serving, true);
    const told = await untilRun(about(where), ({ failure }) => failure !== null);
    assert.match(told.failure!.text, /has turned read-only after an error|has counted 1 error/);
    wrapper.signal("SIGTERM");
    await wrapper.code();
  },
);

await systemTest(
  ["program:mkfs.xfs"],
  "a lost disk: 69 until it is served again, and the loss is counted",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: { MNT_WATCH: "0.2" } });
    await wrapper.listening();
    const before = await untilRun(about(where), ({ serving }) => serving);
    {
      await using _holder = await standIn(where.target);
      await run("xfs_io", "-x", "-c", "shutdown", where.target);
      const lost = await untilRun(about(where), ({ phase }) => phase === "mounting");
      assert.deepEqual([lost.serving, lost.server, lost.losses], [false, null, 1]);
      assert.match(lost.failure!.text, / is in use, though no mount here shows it/);
    }
    const again = await untilRun(about(where), ({ serving }) => serving);
    assert.deepEqual([again.starts, again.losses], [2, 1]);
    assert.equal(again.wrapper.pid, before.wrapper.pid);
    assert.notEqual(again.server!.pid, before.server!.pid);
    await stopCleanly(wrapper, where.target);
  },
);

await systemTest(
  ["program:mkfs.xfs"],
  "a dead file system that nobody watches does not serve, though rest-server listens",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path, env: { MNT_WATCH: "0" } });
    await wrapper.listening();
    await untilRun(about(where), ({ serving }) => serving);
    await run("xfs_io", "-x", "-c", "shutdown", where.target);
    const [dead] = (await askReport(about(where))).instances;
    assert.deepEqual([dead!.phase, dead!.serving], ["serving", false]);
    assert.equal(dead!.why, "its file system was shut down after an error");
    await run("umount", "-l", where.target);
    const [gone] = (await askReport(about(where))).instances;
    assert.equal(gone!.why, `nothing is mounted on "${where.target}"`);
    wrapper.signal("SIGTERM");
    await wrapper.code();
  },
);

await systemTest([], "unmounting: a disk that somebody keeps busy", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  await using wrapper = where.serve({ source: disk.path });
  await wrapper.listening();
  await untilRun(about(where), ({ serving }) => serving);
  await using _holder = await standIn(where.target);
  wrapper.signal("SIGTERM");
  const busy = await untilRun(about(where), ({ phase }) => phase === "unmounting");
  assert.deepEqual([busy.serving, busy.server], [false, null]);
  assert.equal(await wrapper.code(), 32);
  const [left] = (await askReport(about(where))).instances;
  assert.match(left!.why!, /^it does not run: .* unmount failed, or only lazily detached\)$/);
});

await systemTest([], "a full /run is one warning: it is served as ever", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const script = 'mount -t tmpfs -o size=8k run /run && head -c 9k /dev/zero >/run/full; exec "$@"';
  const prefix = ["unshare", "-m", "sh", "-c", script, "sh"];
  await using wrapper = where.serve({ source: disk.path, prefix, env: { MNT_WATCH: "0.2" } });
  await wrapper.listening();
  await wrapper.errLine(/warning: Cannot keep a status file: .*No space left/);
  const inside = { ...about(where), prefix: ["nsenter", "-t", String(wrapper.pid), "-m"] };
  assert.match((await askReport(inside)).why!, /^no restic-rest-server runs for /);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  const warnings = wrapper.errLines.filter((line) => line.includes("status file"));
  assert.equal(warnings.length, 1);
});

await systemTest(
  ["program:jq"],
  "the script of README.md tells a run that serves from others",
  async () => {
    const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
    const [script] = /^#!\/bin\/sh\n# Says what is wrong;[^]*?(?=^```$)/m.exec(readme)!;
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const program = PROGRAM.map((word) => `'${word}'`).join(" ");
    const own = `${where.directory}/restic-rest-server`;
    await Deno.writeTextFile(own, `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
    const monitor = async (text: string) => {
      const { code, stdout } = await new Deno.Command("/bin/sh", {
        args: ["-c", text],
        env: { ...about(where).env, PATH: `${where.directory}:${SYSTEM_PATH}` },
      }).output();
      return { code, out: new TextDecoder().decode(stdout) };
    };
    {
      await using wrapper = where.serve({ source: disk.path });
      await untilRun(about(where), ({ serving }) => serving);
      const full = await monitor(script);
      assert.equal(full.code, 1, "this disk has less than 10 GiB");
      assert.match(full.out, /^space {9}.* free of /m);
      assert.deepEqual(await monitor(script.replace("10 *", "0.001 *")), { code: 0, out: "" });
      await stopCleanly(wrapper, where.target);
    }
    const gone = await monitor(script);
    assert.equal(gone.code, 2);
    assert.match(gone.out, /^no restic-rest-server runs for /);
  },
);
