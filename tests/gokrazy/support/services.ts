/**
 * The services of the images: one disk and one port each.
 *
 * @module
 */
import type { DiskIdentity } from "./disks.ts";
import type { GuestService } from "./instance.ts";

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

/** The disk with ext4, by UUID. */
export const EXT4 = {
  identity: { uuid: "5e1f0a3c-1d2b-4c3d-8e4f-0123456789ab" },
  port: 8000,
} as const satisfies { identity: DiskIdentity; port: number };

/** The service that is there from boot. */
export const BACKUP: GuestService = diskService("backup", EXT4.port, {
  MNT_SOURCE: `UUID=${EXT4.identity.uuid}`,
}, true);
