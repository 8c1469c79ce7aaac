/**
 * exfat and vfat on kernel.rpi, the Raspberry Pi's own kernel, on QEMU's virtual machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import { restic, resticRoundTrip } from "../support/restic.ts";
import { checkFiles, listens, mountCount, untilInGuest } from "./support/backup.ts";
import { copyOut, fsck, type GuestDisk, makeDisk } from "./support/disks.ts";
import { EXFAT, RPI, VFAT } from "./support/services.ts";
import { Session } from "./support/session.ts";

const session = new Session(RPI, { ports: [EXFAT.port, VFAT.port] });
let exfat: GuestDisk;
let vfat: GuestDisk;

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
