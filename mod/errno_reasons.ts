/**
 * What an errno of mount(2) or umount2(2) says by itself, where no other facts are needed to explain it.
 *
 * A failed mount is tried again unless nothing that can happen to disk, network or server can cure it:
 * giving up too early leaves a machine without its backups until somebody comes.
 *
 * @module
 */
import type { FailureKind } from "./exit.ts";
import { ERRNO } from "./linux.ts";

/** Why a call failed, and what to do. */
export interface Reason {
  readonly because: string;
  readonly hint: string;
  readonly retry?: false;
  readonly kind?: FailureKind;
}

type Name = keyof typeof ERRNO;

const OPTIONS = "see MNT_DATA and MNT_OPTIONS";
const DISK_ERRORS: Reason = {
  because: "the disk answers with errors",
  hint: "see its cable, power and health",
};
const UNREACHABLE: Reason = {
  because: "the server cannot be reached",
  hint: "see the network, the server, and the addresses in MNT_SOURCE and MNT_DATA",
};
const SERVER_REFUSES: Reason = {
  because: "access denied",
  hint: "see what the server lets this machine mount, and the names in MNT_DATA",
};

const REFUSED: Reason = { because: "the kernel refused", hint: "see the kernel log" };

/** The reasons of mount(2), each with all that stand for it. */
const MOUNT_ROWS: readonly (readonly [readonly Name[], Reason])[] = [
  [["ENOTBLK"], {
    because: "the source is not a block device",
    hint: "set MNT_SOURCE to a disk or a partition; attach a file with losetup first",
    retry: false,
    kind: "configuration",
  }],
  [["ENOTDIR"], {
    because: "the target is not a directory",
    hint: "set MNT_TARGET to a directory",
    retry: false,
    kind: "configuration",
  }],
  [["ELOOP"], {
    because: "symlinks lead round in a circle",
    hint: "set MNT_SOURCE and MNT_TARGET to plain paths",
    retry: false,
    kind: "configuration",
  }],
  [["ENAMETOOLONG"], {
    because: "a path, or a part of one, is too long",
    hint: "set MNT_SOURCE and MNT_TARGET to shorter paths",
    retry: false,
    kind: "configuration",
  }],
  [["ENOSYS"], {
    because: "the system call is not there, or a seccomp filter hides it",
    hint: "let the container or service call mount(2)",
    retry: false,
    kind: "not permitted",
  }],
  [["EFAULT"], {
    because: "the kernel could not read what it was given",
    hint: "this is a defect of this program: please report it",
    retry: false,
    kind: "defect",
  }],
  // EILSEQ: a checksum on the way to the disk; ENODATA: a medium error (`blk_errors` in block/blk-core.c).
  [["EIO", "EREMOTEIO", "EILSEQ", "ENODATA", "EHWPOISON"], DISK_ERRORS],
  [["ENXIO", "ENOMEDIUM"], {
    because: "no medium, or the device is gone",
    hint: "plug the disk in",
  }],
  [["EMEDIUMTYPE"], { because: "a medium of the wrong type", hint: "plug the right disk in" }],
  [["EEXIST", "ENOTUNIQ"], {
    because: "the kernel knows another disk with the same identity",
    hint: "is it a copy of a disk that is plugged in, too? unplug one of them",
  }],
  [["EFBIG", "EOVERFLOW"], {
    because: "the file system, or a value in it, is too large for this kernel",
    hint: "use a 64-bit or newer kernel",
  }],
  [["ENOSPC", "EDQUOT"], {
    because: "the file system has no room for what mounting writes",
    hint: "MNT_OPTIONS=ro serves restores alone; make room on another machine",
  }],
  [["EAGAIN", "ENOMEM", "ENFILE", "EMFILE", "ENOBUFS"], {
    because: "the kernel has no memory or descriptors left for it",
    hint: "see what uses them up, and the limits of this service",
  }],
  [["EINTR", "ERESTART", "ECANCELED"], {
    because: "the call was interrupted",
    hint: "nothing is to be done",
  }],
  [["EDOM", "ERANGE", "E2BIG"], {
    because: "a value in the options is out of range",
    hint: OPTIONS,
  }],
  [[
    "EOPNOTSUPP",
    "EPROTO",
    "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT",
    "EPFNOSUPPORT",
    "EAFNOSUPPORT",
    "ENOPROTOOPT",
  ], {
    because: "the kernel, or the server, cannot do what the disk or the options ask for",
    hint: `${OPTIONS}, or use a newer kernel`,
  }],
  [["ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED"], {
    because: "the key for it is missing, too old or refused",
    hint: "see the names and secrets in MNT_DATA",
  }],
  [["ESTALE"], {
    because: "the server no longer knows the export by its old handle",
    hint: "see whether the server still exports it",
  }],
  [[
    "EPIPE",
    "ETIME",
    "ENONET",
    "ENOLINK",
    "ECOMM",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETDOWN",
    "ENETUNREACH",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "ENOTCONN",
    "ESHUTDOWN",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EALREADY",
    "EINPROGRESS",
    "ERFKILL",
  ], UNREACHABLE],
];

const MOUNT_REASONS: ReadonlyMap<number, Reason> = new Map(
  MOUNT_ROWS.flatMap(([names, reason]) => names.map((name) => [ERRNO[name], reason] as const)),
);

/** errno numbers that mean the server for an export and the disk for a disk. */
const DISK_ROWS: ReadonlyMap<number, Reason> = new Map([
  [ERRNO.ETIMEDOUT, { because: "the disk does not answer", hint: DISK_ERRORS.hint }],
  [ERRNO.ETIME, { because: "the disk does not answer", hint: DISK_ERRORS.hint }],
  // What block layer and SCSI say of a path to the disk that is lost.
  [ERRNO.ENOLINK, { because: "the way to the disk is lost", hint: DISK_ERRORS.hint }],
]);

/** Why mount(2) of a disk, or of something else, failed. */
export function reasonOfMount(errno: number, isDisk: boolean): Reason {
  const special = isDisk
    ? DISK_ROWS.get(errno)
    : errno === ERRNO.EACCES
    ? SERVER_REFUSES
    : undefined;
  const reason = special ?? MOUNT_REASONS.get(errno) ?? REFUSED;
  // A disk has no server.
  return isDisk && reason === UNREACHABLE ? REFUSED : reason;
}

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

/** Why umount2(2) failed; EBUSY is for whoever knows the holders. */
export function reasonOfUnmount(errno: number): string {
  return UNMOUNT_REASONS.get(errno)?.[0] ?? "the kernel refused";
}

/** Whether umount2(2) is worth another try: else the mount is detached at once. */
export function retriesUnmount(errno: number): boolean {
  return errno === ERRNO.EBUSY || UNMOUNT_REASONS.get(errno)?.[1] === "retry";
}
