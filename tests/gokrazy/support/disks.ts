/**
 * USB disks for the guest: files with a file system, made and checked on the host without mounting them,
 * for not every host kernel has vfat or exfat.
 *
 * @module
 */
import { run, runAloud } from "../../support/command.ts";

const MIB = 1024 ** 2;

export type GuestDiskType = "ext4" | "vfat" | "exfat" | "blank";

/** By what a disk is found. vfat's UUID is 8 hex digits, given without their dash. */
export interface DiskIdentity {
  readonly uuid?: string;
  readonly label?: string;
}

export interface GuestDisk {
  /** Name of the device in QEMU. */
  readonly id: string;
  readonly path: string;
  readonly fstype: GuestDiskType;
}

function mkfs(fstype: GuestDiskType, { uuid, label }: DiskIdentity): string[] {
  const given = (flag: string, value?: string) => value === undefined ? [] : [flag, value];
  switch (fstype) {
    case "ext4":
      return ["mkfs.ext4", "-q", "-F", ...given("-U", uuid), ...given("-L", label)];
    case "vfat":
      return ["mkfs.vfat", "-F", "32", ...given("-i", uuid), ...given("-n", label)];
    case "exfat":
      return ["mkfs.exfat", ...given("-U", uuid), ...given("-L", label)];
    case "blank":
      return [];
  }
}

/** Makes a disk image of `sizeMib` MiB; blank ones are left for the caller's own mkfs. */
export async function makeDisk(
  directory: string,
  id: string,
  fstype: GuestDiskType,
  identity: DiskIdentity = {},
  sizeMib = 128,
): Promise<GuestDisk> {
  const path = `${directory}/${id}.img`;
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, sizeMib * MIB);
  const [program, ...args] = mkfs(fstype, identity);
  if (program !== undefined) await run(program, ...args, path);
  return { id, path, fstype };
}

/** `BS_Reserved1` of a FAT32 boot sector, where Linux keeps the dirty bit: `linux/msdos_fs.h`. */
const FAT32_STATE = { offset: 65, dirty: 1 };

/** Marks a vfat as one that was not unmounted. */
export async function markDirty({ path }: GuestDisk): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(FAT32_STATE.offset, Deno.SeekMode.Start);
  await file.write(Uint8Array.of(FAT32_STATE.dirty));
}

/** What the check programs say of a disk that was not unmounted cleanly. */
const UNCLEAN =
  /skipping journal recovery|Dirty bit is set|not properly unmounted|volume was not unmounted|dirty/i;

const FSCK = {
  ext4: ["e2fsck", "-fn"],
  vfat: ["fsck.vfat", "-n"],
  exfat: ["fsck.exfat", "-n"],
};

/** Fails unless the file system is whole and was unmounted cleanly; read-only. */
export async function fsck(disk: GuestDisk): Promise<void> {
  if (disk.fstype === "blank") throw new Error(`Cannot check "${disk.path}": not made here`);
  const [program, ...args] = FSCK[disk.fstype];
  const said = await runAloud(program!, ...args, disk.path);
  if (UNCLEAN.test(said)) throw new Error(`${disk.path} was not unmounted cleanly:\n${said}`);
}

/**
 * Copies a directory off a disk that is not in use, without mounting it: by debugfs(8) for ext4, by
 * mcopy(1) for vfat. There is no such tool for exfat.
 */
export async function copyOut(disk: GuestDisk, from: string, to: string): Promise<void> {
  if (disk.fstype === "ext4") {
    await run("debugfs", "-R", `rdump /${from} "${to}"`, disk.path);
  } else if (disk.fstype === "vfat") {
    await run("mcopy", "-s", "-n", "-i", disk.path, `::${from}`, to);
  } else {
    throw new Error(`Cannot copy files off "${disk.path}": no tool for ${disk.fstype}`);
  }
}
