/** The installed unit under a real systemd, with a real disk and the real rest-server. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { stuckUpload } from "../support/http.ts";
import { fsck } from "../support/system.ts";
import { address, answers, settings, systemdTest, TARGET, UNIT } from "../support/systemd.ts";
import { until } from "../support/wait.ts";

await systemdTest(
  "systemd: ready without its disk, serves it when it comes, stops clean",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await disk.detach();
    await systemd.configure(settings(disk));
    await systemd.systemctl("start", UNIT);
    await systemd.shows(UNIT, "StatusText", new RegExp(`^waiting for LABEL=${disk.label}: `));
    assert.equal(await systemd.show(UNIT, "SubState"), "running");
    assert.ok(!(await systemd.mountPoints(1)).includes(TARGET));

    await disk.attach();
    await systemd.shows(UNIT, "StatusText", /^serving "\/mnt\/restic\/restic" from "/);
    assert.ok(await answers(await address(systemd, UNIT)));
    assert.ok((await systemd.mountPoints(1)).includes(TARGET), "the host sees the disk");

    const main = await systemd.mainPid(UNIT);
    await systemd.systemctl("reload", UNIT);
    assert.ok(await answers(await address(systemd, UNIT)));
    assert.equal(await systemd.mainPid(UNIT), main);

    await systemd.systemctl("stop", UNIT);
    assert.equal(await systemd.show(UNIT, "Result"), "success");
    assert.equal(await systemd.show(UNIT, "ExecMainStatus"), "0");
    assert.ok(!(await systemd.mountPoints(1)).includes(TARGET));
    assert.equal(await systemd.show(UNIT, "NRestarts"), "0");
    await fsck("ext4", disk);
  },
);

await systemdTest(
  "systemd: a killed wrapper is started again, on the disk it left mounted",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await systemd.configure(settings(disk), UNIT, "[Service]\nRestartSec=100ms\n");
    await systemd.systemctl("start", UNIT);
    await systemd.shows(UNIT, "StatusText", /^serving/);
    const first = await systemd.mainPid(UNIT);
    await systemd.systemctl("kill", "--kill-who=main", "--signal=SIGKILL", UNIT);
    await systemd.shows(UNIT, "NRestarts", /^1$/);
    assert.ok(await answers(await address(systemd, UNIT, 2)));
    await systemd.shows(UNIT, "StatusText", /^serving/);
    assert.notEqual(await systemd.mainPid(UNIT), first);
    const mounts = (await systemd.mountPoints(1)).filter((path) => path === TARGET);
    assert.equal(mounts.length, 1, "P3: never two mounts");
    const servers = await systemd.inside("pgrep", "-c", "-x", "rest-server");
    assert.equal(servers, "1", "P3: never two rest-servers");

    const said = await systemd.shutDown();
    assert.doesNotMatch(
      said,
      /Failed unmounting|timed out|SIGKILL/i,
      "it unmounts before systemd does",
    );
    await fsck("ext4", disk);
  },
);

await systemdTest(
  "systemd: the watchdog ends a wrapper that hangs, and no other",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    const dropIn = "[Service]\nRestartSec=100ms\nWatchdogSec=2\nTimeoutAbortSec=2\n";
    await systemd.configure(settings(disk), UNIT, dropIn);
    await systemd.systemctl("start", UNIT);
    await systemd.shows(UNIT, "StatusText", /^serving/);
    // Each sign of life moves it; it lives longer than it may be silent.
    const seen = new Set<string>();
    await until(async () => {
      seen.add(await systemd.show(UNIT, "WatchdogTimestampMonotonic"));
      return seen.size > 4;
    }, "signs of life");
    assert.equal(await systemd.show(UNIT, "NRestarts"), "0");
    await systemd.systemctl("kill", "--kill-who=main", "--signal=SIGSTOP", UNIT);
    await systemd.shows(UNIT, "NRestarts", /^1$/);
    await systemd.shows(UNIT, "StatusText", /^serving/);
    assert.ok(await answers(await address(systemd, UNIT, 2)));
    await systemd.systemctl("stop", UNIT);
    await fsck("ext4", disk);
  },
);

await systemdTest(
  "systemd: a stop may take as long as MNT_STOP, whatever the unit says",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await systemd.configure(
      settings(disk, { MNT_STOP: "4" }),
      UNIT,
      "[Service]\nTimeoutStopSec=1\n",
    );
    await systemd.systemctl("start", UNIT);
    using _upload = await stuckUpload(await address(systemd, UNIT));
    await systemd.systemctl("stop", UNIT);
    // Killed by the program after MNT_STOP, not with the program by systemd before.
    assert.equal(await systemd.show(UNIT, "Result"), "exit-code");
    assert.equal(await systemd.show(UNIT, "ExecMainStatus"), "137");
    assert.ok(!(await systemd.mountPoints(1)).includes(TARGET));
    await fsck("ext4", disk);
  },
);

await systemdTest(
  "systemd: a rest-server that speaks for the unit is not believed",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    const server = "/usr/local/bin/talking-server";
    const script = "#!/bin/sh\nexport NOTIFY_SOCKET=/run/systemd/notify\n" +
      "systemd-notify --no-block --status=fooled && echo told\nunset NOTIFY_SOCKET\n" +
      'exec /usr/local/bin/rest-server "$@"\n';
    await systemd.inside(
      "/bin/sh",
      "-c",
      'printf %s "$2" >"$1"; chmod +x "$1"',
      "sh",
      server,
      script,
    );
    await systemd.configure(settings(disk, { MNT_SERVER: server }));
    await systemd.systemctl("start", UNIT);
    await address(systemd, UNIT);
    assert.match(await systemd.journal(UNIT), /^told$/m);
    await systemd.shows(UNIT, "StatusText", /^serving/);
    await systemd.systemctl("stop", UNIT);
    await fsck("ext4", disk);
  },
);

await systemdTest("systemd: what only a person can cure is not tried again", async (systemd) => {
  await using disk = await loopDisk({ fstype: "ext4" });
  for (
    const [more, code] of [[{ MNT_TARGET: "" }, "78"], [{ MNT_SERVER: "/no" }, "127"]] as const
  ) {
    await systemd.configure(settings(disk, more), UNIT, "[Service]\nRestartSec=100ms\n");
    // A configuration that cannot work fails the start itself; a program that is not there, its unit.
    await systemd.systemctl("start", UNIT).catch((error) => {
      if (code !== "78") throw error;
    });
    await systemd.shows(UNIT, "ActiveState", /^failed$/);
    assert.equal(await systemd.show(UNIT, "ExecMainStatus"), code);
    const errors = await systemd.journal(UNIT, "-p", "err");
    assert.match(
      errors.split("\n").at(-1)!,
      /^Cannot /,
      "the journal knows an error by its priority",
    );
    assert.equal(await systemd.show(UNIT, "NRestarts"), "0");
    await systemd.systemctl("reset-failed", UNIT);
  }
});

await systemdTest(
  "systemd: uninstall waits for an end, and leaves the host as it was",
  async (systemd) => {
    await using disk = await loopDisk({ fstype: "ext4" });
    const page = await systemd.inside("man", "--where", "restic-rest-server");
    assert.match(page, /\/man8\/restic-rest-server\.8$/);
    assert.match(await systemd.inside("cat", "/etc/default/restic-rest-server"), /^MNT_SOURCE=$/m);
    await systemd.configure(settings(disk));
    await systemd.systemctl("enable", "--now", UNIT);
    await systemd.shows(UNIT, "StatusText", /^serving/);
    await assert.rejects(systemd.task("uninstall"), /is active; .*systemctl disable --now/);
    await systemd.systemctl("stop", UNIT);
    await assert.rejects(systemd.task("uninstall"), /is enabled; .*systemctl disable --now/);
    await systemd.systemctl("disable", UNIT);

    const said = await systemd.task("uninstall");
    assert.match(said, /\/etc\/default\/restic-rest-server: left, for it was changed/);
    const left = await systemd.inside(
      "find",
      "/run/upper",
      "-type",
      "f",
      "-not",
      "-name",
      "machine-id",
    );
    const rest = [
      "/run/upper/etc/default/restic-rest-server",
      "/run/upper/usr/local/bin/rest-server",
    ];
    assert.deepEqual(left.split("\n").toSorted(), rest);
    assert.equal(await systemd.show(UNIT, "LoadState"), "not-found");
  },
);
