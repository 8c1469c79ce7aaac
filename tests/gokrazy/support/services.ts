/**
 * The services of the images: one disk and one port each.
 *
 * @module
 */
import type { DiskIdentity } from "./disks.ts";
import type { GuestService, ImageSpec } from "./instance.ts";
import { KERNELS } from "./kernels.ts";

/** A restic-rest-server on a disk of its own: its target is `/perm/NAME`, the repository `restic` on it. */
export function diskService(
  name: string,
  port: number,
  environment: Readonly<Record<string, string>>,
  starts = false,
): GuestService {
  return {
    name,
    starts,
    environment: { MNT_TARGET: `/perm/${name}`, ...environment },
    flags: ["--no-auth", `--listen=:${port}`, `--path=/perm/${name}/restic`],
  };
}

/** The disks, and the ports on which they are served. */
export const EXT4 = {
  port: 8000,
  identity: { uuid: "5e1f0a3c-1d2b-4c3d-8e4f-0123456789ab" },
} as const satisfies ServedDisk;
export const EXFAT = {
  port: 8001,
  identity: { label: "Backup Disk" },
} as const satisfies ServedDisk;
/** mkfs.vfat takes the number without the dash that blkid shows. */
export const VFAT = {
  port: 8002,
  identity: { uuid: "1234abcd" },
} as const satisfies ServedDisk;
/** A disk that is only looked at. */
export const CHECKED = {
  port: 8006,
  identity: { label: "checked" },
} as const satisfies ServedDisk;
/** A vfat that was pulled once; two services of kernel.rpi try it, neither of them from boot. */
export const DIRTY = {
  port: 8007,
  identity: { label: "DIRTY" },
} as const satisfies ServedDisk;
/** A directory of the host, by the name under which QEMU offers it to virtio-9p. */
export const SHARE = { port: 8003, tag: "backups" } as const;

interface ServedDisk {
  readonly port: number;
  readonly identity: DiskIdentity;
}

/** The service that is there from boot. */
export const BACKUP: GuestService = diskService("backup", EXT4.port, {
  MNT_SOURCE: `UUID=${EXT4.identity.uuid}`,
}, true);

/** The system of every test on kernel.arm64. */
export const ARM64: ImageSpec = {
  name: "arm64",
  kernel: KERNELS.arm64,
  engine: "script",
  services: [
    BACKUP,
    diskService("share", SHARE.port, {
      MNT_SOURCE: SHARE.tag,
      MNT_FSTYPE: "9p",
      MNT_DATA: "trans=virtio,version=9p2000.L",
    }),
    // Without a source.
    diskService("misconfigured", 8004, { MNT_FSTYPE: "ext4" }),
    diskService("missing", 8005, { MNT_SOURCE: "LABEL=nowhere", MNT_WAIT: "1" }),
    diskService("checked", CHECKED.port, {
      MNT_SOURCE: `LABEL=${CHECKED.identity.label}`,
      MNT_CHECK: "1",
    }),
  ],
};

/** The system of every test on kernel.rpi. */
export const RPI: ImageSpec = {
  name: "rpi",
  kernel: KERNELS.rpi,
  engine: "script",
  services: [
    diskService("exfat", EXFAT.port, { MNT_SOURCE: `LABEL=${EXFAT.identity.label}` }, true),
    diskService("vfat", VFAT.port, { MNT_SOURCE: "UUID=1234-ABCD" }, true),
    diskService("charset", DIRTY.port, {
      MNT_SOURCE: `LABEL=${DIRTY.identity.label}`,
      MNT_DATA: "iocharset=nonesuch",
    }),
    diskService("owned", DIRTY.port, {
      MNT_SOURCE: `LABEL=${DIRTY.identity.label}`,
      MNT_USER: "1000:1001",
    }),
  ],
};
