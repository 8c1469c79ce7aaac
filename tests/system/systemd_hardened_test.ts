/** The hardened unit under a real systemd, with a real disk and the real rest-server. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { fsck } from "../support/system.ts";
import { address, HARDENED, settings, systemdTest, TARGET } from "../support/systemd.ts";
import { tempDirectory } from "../support/temp.ts";
import { until } from "../support/wait.ts";

/** A directory on a disk that belongs to somebody. */
async function giveTo(disk: Disk, uid: number): Promise<void> {
  await using temp = await tempDirectory();
  await run("mount", disk.path, temp.path);
  await Deno.mkdir(`${temp.path}/restic`);
  await Deno.chown(`${temp.path}/restic`, uid, uid);
  await run("umount", temp.path);
}

for (const user of [null, 1000]) {
  const who = user === null ? "" : " as MNT_USER";
  await systemdTest(
    `systemd: the hardened unit serves${who}, where the host does not see the disk`,
    async (systemd) => {
      await using disk = await loopDisk({ fstype: "ext4" });
      if (user !== null) await giveTo(disk, user);
      const more: Record<string, string> = user === null ? {} : { MNT_USER: `${user}:${user}` };
      await systemd.configure(settings(disk, more));
      await disk.detach();
      await systemd.systemctl("start", HARDENED);
      await systemd.shows(HARDENED, "StatusText", /^waiting for LABEL=.*: /);
      // Its devices are chosen by kind, not by those that were there at the start.
      await disk.attach();
      await systemd.shows(HARDENED, "StatusText", /^serving/);
      const at = await address(systemd, HARDENED);
      assert.equal(await httpStatus(`http://${at}/?create=true`, { method: "POST" }), 200);
      const main = await systemd.mainPid(HARDENED);
      await until(
        () => systemd.inside("restic-rest-server", "status").catch(() => null),
        "a status that says that it serves",
      );
      assert.ok((await systemd.mountPoints(main)).includes(TARGET));
      assert.ok(!(await systemd.mountPoints(1)).includes(TARGET));
      assert.equal(await systemd.journal(HARDENED, "-p", "warning"), "");
      await systemd.systemctl("stop", HARDENED);
      assert.equal(await systemd.show(HARDENED, "Result"), "success");
      assert.equal(await systemd.show(HARDENED, "ExecMainStatus"), "0");
      await fsck("ext4", disk);
    },
  );
}

await systemdTest(
  "systemd: the hardened unit hears what the kernel says of a failed mount",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await systemd.configure(settings(disk, { MNT_OPTIONS: "nonsense" }));
    await systemd.systemctl("start", HARDENED);
    await systemd.shows(HARDENED, "StatusText", /last failure: .*the kernel says: .*nonsense/);
    await systemd.systemctl("stop", HARDENED);
    assert.equal(await systemd.show(HARDENED, "Result"), "success");
  },
);
