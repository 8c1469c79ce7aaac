/**
 * What mounting asks of the kernel.
 *
 * @module
 */
import type { MountSpec } from "./source.ts";

/** The system calls of mounting; each gives 0 or errno. The one edge that tests may fake. */
export interface Mounter {
  /** mount(2); may take minutes. */
  mount(spec: MountSpec): Promise<number>;
  /** umount2(2), never following a symlink; `detach` is MNT_DETACH. May take minutes. */
  unmount(target: string, options: { readonly detach: boolean }): Promise<number>;
  /** umount2(2) with MNT_FORCE: calls that wait for a server that is away fail; a mount in use stays. */
  giveUp(target: string): Promise<void>;
  /** open(2) of a directory for reading; may take minutes. */
  openDirectory(path: string): Promise<{ readonly fd: number } | { readonly errno: number }>;
  /** STATX_MNT_ID_UNIQUE of the mount that a descriptor is on, see statx(2); "" before Linux 6.8. */
  uniqueMountId(fd: number): string;
  /** The same of the mount on a path; "" where its file system is too dead to tell, too. */
  uniqueMountIdAt(path: string): string;
  /**
   * Whether a file system on this device lives on in the kernel: open(2) with O_EXCL says EBUSY. May take
   * minutes: the kernel reads the partitions anew.
   */
  isInUse(device: string): Promise<boolean>;
  /** close(2); may take minutes: of a mount that was taken away it can be the end of its file system. */
  closeDirectory(fd: number): Promise<void>;
  /** syncfs(2): whether everything reached the disk. */
  sync(fd: number): Promise<boolean>;
}

/** The kernel's log since it was opened. */
export interface KernelLog {
  /** Raw records of `/dev/kmsg`. */
  read(): string[];
  close(): void;
}
