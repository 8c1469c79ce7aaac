/**
 * exfat and vfat on kernel.rpi, the Raspberry Pi's own kernel, on QEMU's virtual machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import { restic, resticRoundTrip } from "../support/restic.ts";
import { checkFiles, listens, mountCount, untilInGuest } from "./support/backup.ts";
import { copyOut, fsck, type GuestDisk, makeDisk, markDirty } from "./support/disks.ts";
import { DIRTY, EXFAT, RPI, VFAT } from "./support/services.ts";
import { Session } from "./support/session.ts";

const session = new Session(RPI, { ports: [EXFAT.port, VFAT.port, DIRTY.port] });
let exfat: GuestDisk;
let vfat: GuestDisk;
let dirty: GuestDisk;

await session.scenario(
  "gokrazy boots on kernel.rpi and shows its web interface",
  1800,
  async () => {
    await session.boot();
    exfat = await makeDisk(await session.directory(), "exfat", "exfat", EXFAT.identity);
    vfat = await makeDisk(await session.directory(), "vfat", "vfat", VFAT.identity);
  },
);

await session.scenario(
  "restic inits, backs up, checks and restores on exfat by LABEL",
  300,
  async () => {
    const { machine } = session;
    await machine.plug(exfat);
    await untilInGuest(machine, listens(EXFAT.port));
    await machine.web.log("exfat", /mounted "\/dev\/sda" on "\/perm\/exfat" as exfat/);
    const directory = `${await session.directory()}/exfat`;
    await resticRoundTrip(machine.address(EXFAT.port), directory);
    assert.equal(await mountCount(machine, "/perm/exfat"), 1);
  },
);

await session.scenario(
  "restic inits, backs up, checks and restores on vfat by UUID",
  300,
  async () => {
    const { machine } = session;
    await machine.plug(vfat);
    await untilInGuest(machine, listens(VFAT.port));
    await machine.web.log("vfat", /mounted "\/dev\/sdb" on "\/perm\/vfat" as vfat/);
    await resticRoundTrip(machine.address(VFAT.port), `${await session.directory()}/vfat`);
    assert.equal(await mountCount(machine, "/perm/vfat"), 1);
  },
);

await session.scenario(
  "vfat with a charset that the kernel lacks: said with the cure, and tried again",
  120,
  async () => {
    const { machine } = session;
    dirty = await makeDisk(await session.directory(), "dirty", "vfat", DIRTY.identity);
    await markDirty(dirty);
    await machine.plug(dirty);
    await machine.web.press("restart", "charset");
    const lines = await machine.web.log(
      "charset",
      /Cannot mount .*; trying again; the kernel says: /,
    );
    assert.match(
      lines.at(-1)!,
      /"\/dev\/sdc" on "\/perm\/charset" as vfat.*: EINVAL \(this kernel does not have the IO charset nonesuch for file names\); set MNT_DATA=iocharset=utf8 .*; the kernel says: .*nonesuch not found/,
    );
    await machine.web.press("stop", "charset");
    assert.equal(await mountCount(machine, "/perm/charset"), 0);
  },
);

await session.scenario(
  "vfat that was pulled once and is served as MNT_USER: a warning, and files that are the user's",
  120,
  async () => {
    const { machine } = session;
    await machine.web.press("restart", "owned");
    await untilInGuest(machine, listens(DIRTY.port));
    await machine.web.log("owned", /it was not unmounted cleanly, files may be damaged; .*fsck/);
    assert.match(await machine.sh("grep ' /perm/owned ' /proc/mounts"), /,uid=1000,gid=1001,/);
    const { Pid } = await machine.web.status("owned");
    const ids = await machine.sh(`for p in $(cat /proc/${Pid}/task/*/children); do
      grep -E '^(Uid|Gid):' /proc/$p/status; done`);
    assert.match(ids, /^Uid:\s+1000\s+1000\s.*\nGid:\s+1001\s+1001\s/);
    await resticRoundTrip(machine.address(DIRTY.port), `${await session.directory()}/owned`);
    assert.match(await machine.sh("ls -ln /perm/owned/restic/config"), / 1000 +1001 /);
    await machine.web.press("stop", "owned");
  },
);

await session.scenario(
  "after power-off fsck finds both disks clean, and restic all data",
  300,
  async () => {
    // By the web interface: there is no power button without ACPI.
    await session.machine.web.powerOff();
    await session.machine.ended();
    await fsck(exfat);
    await fsck(vfat);
    const files = `${await session.directory()}/vfat-files`;
    await Deno.mkdir(files);
    await copyOut(vfat, "restic", files);
    await checkFiles(`${files}/restic`);
  },
);

await session.scenario(
  "the next boot serves both, and restic finds all data on exfat",
  600,
  async () => {
    // No tool here reads files off an exfat without mounting it: the data is checked through the server.
    const machine = await session.boot();
    for (const disk of [vfat, exfat]) await machine.plug(disk);
    for (const { port } of [EXFAT, VFAT]) {
      await untilInGuest(machine, listens(port));
      await restic(machine.address(port), "check", "--read-data");
      assert.match(await restic(machine.address(port), "snapshots"), /1 snapshots/);
    }
  },
);

session.close();
