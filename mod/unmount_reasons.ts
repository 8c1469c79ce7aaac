/**
 * Why umount2(2) failed, and whether another try can help.
 *
 * @module
 */
import { ERRNO, errnoName } from "./linux.ts";

type Name = keyof typeof ERRNO;

/** The reasons of umount2(2), less EBUSY, and whether time can cure them. */
const UNMOUNT_ROWS: readonly (readonly [readonly Name[], string, "retry" | "final"])[] = [
  [["EAGAIN", "ENOMEM"], "the kernel has no memory left for it", "retry"],
  [["EINTR", "ERESTART"], "the call was interrupted", "retry"],
  [["EINVAL"], "it is no mount any more, or locked by a user namespace", "final"],
  [["EPERM"], "only root with CAP_SYS_ADMIN can unmount", "final"],
  [["ENOENT", "ENOTDIR"], "its directory is gone", "final"],
  [["EACCES", "ELOOP", "ENAMETOOLONG"], "its path can no longer be walked", "final"],
  [
    ["EIO", "ENXIO", "ENODEV", "ESHUTDOWN", "ESTALE", "EUCLEAN"],
    "the disk is gone or dead",
    "final",
  ],
  [["ENOSYS"], "a seccomp filter hides the system call", "final"],
  [["EFAULT"], "the kernel could not read the path: a defect of this program", "final"],
];

const UNMOUNT_REASONS: ReadonlyMap<number, readonly [string, "retry" | "final"]> = new Map(
  UNMOUNT_ROWS.flatMap(([names, because, cure]) =>
    names.map((name) => [ERRNO[name], [because, cure]] as const)
  ),
);

/** Explains a failed umount2(2), with whoever holds the mount. */
export function explainUnmount(errno: number, target: string, holders: readonly string[]): string {
  const because = errno !== ERRNO.EBUSY
    ? UNMOUNT_REASONS.get(errno)?.[0] ?? "the kernel refused"
    : holders.length === 0
    ? "something holds it"
    : `held by ${holders.join(", ")}`;
  return `Cannot unmount "${target}": ${errnoName(errno)} (${because})`;
}

/** Whether umount2(2) is worth another try: else the mount is detached at once. */
export function retriesUnmount(errno: number): boolean {
  return errno === ERRNO.EBUSY || UNMOUNT_REASONS.get(errno)?.[1] === "retry";
}
