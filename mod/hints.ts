/**
 * What is known of mounts that fail: one table, from what is recognised to what to do. It feeds the
 * program's messages, the table in README.md, and the tests.
 *
 * A failed mount is tried again unless nothing that can happen to disk, network or server can cure it:
 * giving up too early leaves a machine without its backups until somebody comes.
 *
 * @module
 */
import type { FailureKind } from "./exit.ts";
import { LAYERS } from "./layers.ts";
import type { ERRNO } from "./linux.ts";

/** What is known of a failed mount beside its texts. */
export interface Conditions {
  /** A disk is to be mounted, and no export of a server. */
  readonly disk: boolean;
  /** `ro` was asked for. */
  readonly readOnly: boolean;
  readonly sourceThere: boolean;
  readonly targetThere: boolean;
  /** The source is mounted already. */
  readonly mounted: boolean;
  /** blkid sees another type than the one that was tried. */
  readonly otherType: boolean;
  readonly root: boolean;
  /** CAP_SYS_ADMIN is there. */
  readonly capable: boolean;
  /** The program runs in a user namespace, as in a rootless container. */
  readonly userNamespace: boolean;
  /** The program runs under a seccomp filter. */
  readonly filtered: boolean;
}

/** What is recognised: all that is given must hold. */
export interface Signs extends Partial<Conditions> {
  readonly errno?: readonly (keyof typeof ERRNO)[];
  /** A line of the kernel's log; its named groups are words of the texts. */
  readonly kernel?: RegExp;
  /** What blkid sees: TYPE, or `gpt partition table`. */
  readonly blkid?: RegExp;
  readonly fstype?: RegExp;
  /** The data of mount(2); its named groups are words of the texts. */
  readonly data?: RegExp;
}

/** A row: the first one that fits is taken. `{words}` of the texts are filled in. */
export interface Hint {
  readonly when: Signs;
  readonly because: string;
  readonly hint: string;
  /** What README.md says beside `because`; rows whose line says it all have none. */
  readonly readme?: string;
  /** Nothing that can happen to disk, network or server cures it. */
  readonly retry?: false;
  readonly kind?: FailureKind;
  /** blkid's type alone says that no kernel mounts it: the hint needs no failed mount(2). */
  readonly layer?: true;
  /** For a mount that succeeded: said as a warning. */
  readonly warning?: true;
}

/** A kernel line of an I/O error, of the block layer or of a file system. */
const IO_ERROR = /I\/O error|critical (?:medium|target) error|unable to read superblock/;
const OPTIONS = "check MNT_DATA and MNT_OPTIONS";
const CABLE = "check its cable, power supply and health";
const FINAL = { retry: false, kind: "configuration" } as const;
const REFUSED = { retry: false, kind: "not permitted" } as const;

/** Words that mount(8) understands and no kernel does. */
const USERSPACE_WORD =
  /(?:^|,)(?<word>(?:defaults|nofail|noauto|auto|_netdev|users?)(?=,|$)|x-[^,=]*)/;

const TWIN = {
  because: "the kernel knows another disk with the same identity",
  hint: "is it a copy of a disk that is plugged in, too? unplug one of them",
  readme: "A byte for byte copy: unplug one of the two.",
} as const;

const SERVER_IS_AWAY = [
  ...["EPIPE", "ETIME", "ENONET", "ENOLINK", "ECOMM", "EADDRINUSE", "EADDRNOTAVAIL"] as const,
  ...["ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOTCONN"] as const,
  ...["ESHUTDOWN", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY"] as const,
  ...["EINPROGRESS", "ERFKILL"] as const,
] as const;

/** All rows; what says more stands above what says less. */
export const HINTS: readonly Hint[] = [
  // A mount that succeeded, with something to be said of it.
  {
    when: { kernel: /(?:FAT|exFAT)-fs .*Volume was not properly unmounted/i },
    because: "it was not unmounted cleanly, files may be damaged",
    hint: "unmount it and run {fsck}; the mark stays until then",
    readme:
      "A warning. vfat and exfat have no journal: run fsck, and `restic check` after it. Where it happens " +
      "again, something cuts the power or pulls the disk.",
    warning: true,
  },
  {
    when: {
      kernel: /mounting (?:unchecked fs|fs with errors)|checktime reached|mount count reached/,
    },
    because: "it is marked as not clean or due for a check",
    hint: "unmount it and run {fsck}",
    readme: "A warning. An error was met earlier, or nobody has checked it for long: run e2fsck.",
    warning: true,
  },
  {
    when: {
      kernel:
        /EXT4-fs .*: recovery complete|XFS .*: Ending recovery|BTRFS .*: start tree-log replay/,
    },
    because: "it was not unmounted cleanly, and its journal was played back",
    hint: "the file system is whole; if in doubt, unmount it and run {fsck}",
    readme:
      "A warning. The journal did its work; where it comes back, something cuts the power or pulls the disk.",
    warning: true,
  },

  // Not permitted.
  {
    when: {
      errno: ["EPERM", "EACCES"],
      kernel: /apparmor="DENIED".*operation="mount"|avc: +denied +\{ [^}]*mount/,
    },
    because: "a security module (AppArmor, SELinux) refuses mount(2)",
    hint: "let the profile of this container or service mount; the kernel's line names it",
    readme: "The kernel's line names the profile: let it mount.",
    ...REFUSED,
  },
  {
    when: { errno: ["EPERM"], userNamespace: true },
    because: "root of a user namespace cannot mount a disk",
    hint:
      "run it outside of the user namespace (a container that is not rootless), or let the host " +
      "mount the disk and leave MNT_SOURCE unset",
    readme: "CAP_SYS_ADMIN of a rootless container does not count for disks: mount it on the host.",
    ...REFUSED,
  },
  {
    when: { errno: ["EPERM"], root: false, capable: false },
    because: "only root can mount",
    hint: "run it as root, or let root mount the disk and leave MNT_SOURCE unset",
    readme: "Run it as root, or with CAP_SYS_ADMIN, or let root mount the disk.",
    ...REFUSED,
  },
  {
    when: { errno: ["EPERM"], capable: false },
    because: "root here has no CAP_SYS_ADMIN",
    hint: "give the container or service CAP_SYS_ADMIN",
    readme: "`docker run --cap-add SYS_ADMIN`; in a systemd unit check CapabilityBoundingSet=.",
    ...REFUSED,
  },
  {
    when: { errno: ["EPERM"], filtered: true },
    because: "CAP_SYS_ADMIN is there, but a seccomp filter or a security module refuses mount(2)",
    hint: "let the container or service call mount(2): its seccomp profile, AppArmor, " +
      "SystemCallFilter=@mount",
    readme:
      "The filter of a container or unit: `--security-opt seccomp=...`, `SystemCallFilter=@mount`.",
    ...REFUSED,
  },
  {
    when: { errno: ["EPERM"], disk: true },
    because:
      "CAP_SYS_ADMIN is there, but a security module (AppArmor, SELinux, Landlock) refuses mount(2)",
    hint: "let the profile of this container or service mount",
    readme:
      "No seccomp filter is there, so it is the profile or sandbox that this program was started in.",
    ...REFUSED,
  },
  {
    when: { errno: ["ENOSYS"] },
    because: "the system call is not there, or a seccomp filter hides it",
    hint: "let the container or service call mount(2)",
    readme: "As above: a seccomp filter that answers so.",
    ...REFUSED,
  },

  // The options.
  {
    when: { errno: ["EINVAL"], data: USERSPACE_WORD },
    because: '"{word}" in the data is a word of mount(8), no kernel takes it',
    hint: "move it from MNT_DATA to MNT_OPTIONS",
    readme: "`MNT_DATA` goes to the kernel as it is; `MNT_OPTIONS` takes the words of mount(8).",
  },
  {
    when: {
      kernel:
        /(?:Unknown parameter|[Uu]n(?:recognized|known) mount option) ["'[](?<option>[^"'=\]]*)/,
    },
    because: '{fstype} of this kernel knows no option "{option}"',
    hint: "correct it or leave it out in MNT_DATA or MNT_OPTIONS",
    readme:
      "A word in `MNT_DATA` or `MNT_OPTIONS` is misspelt, or of another file system or kernel.",
  },
  {
    when: {
      kernel:
        /(?:Bad value for ["']|XFS .*: invalid |failed to parse |no-recovery mounts must be )(?<option>[\w-]+)/,
    },
    because: 'a wrong value for "{option}" in the options of {fstype}',
    hint: "correct it in MNT_DATA or MNT_OPTIONS; the kernel says what it takes",
    readme: "The kernel's line says which, and often what it takes.",
  },
  {
    when: { kernel: /(?<charset>(?:IO charset|codepage) \S+) not found/ },
    because: "this kernel does not have the {charset} for file names",
    hint:
      "set MNT_DATA=iocharset=utf8 (vfat also takes codepage=), or use a kernel with that charset " +
      "(CONFIG_NLS_*)",
    readme: "vfat and exfat: name a charset that the kernel has: `MNT_DATA=iocharset=utf8`.",
  },
  // What is on the disk, and in what state.
  ...LAYERS,
  {
    when: { errno: ["ENODEV"], blkid: /^ntfs$/ },
    because: 'it has NTFS, and this kernel has no file system "{fstype}"; it has {filesystems}',
    hint:
      "set MNT_FSTYPE=ntfs3 where the kernel has that; better copy what is on it and make ext4, " +
      "which erases it",
    readme: "`MNT_FSTYPE=ntfs3` where the kernel has it (Linux 5.15), else ext4 or exfat.",
    ...FINAL,
  },
  {
    when: { errno: ["ENODEV"] },
    because: 'this kernel has no file system "{fstype}"; it has {filesystems}',
    hint: "set MNT_FSTYPE to what is on the disk, or use a kernel with it",
    readme: "Format the disk with one that the kernel has, or use another kernel.",
    ...FINAL,
  },
  {
    when: { kernel: /duplicate UUID/ },
    ...TWIN,
  },
  {
    when: {
      kernel:
        /write access unavailable|recovery required on read-?only device|replay required on RO/,
    },
    because:
      "it was not unmounted cleanly, and its journal cannot be played back on a read-only medium",
    hint: "let it be written to once, or set MNT_OPTIONS=ro,{norecovery} to read it as it is",
    readme:
      "Turn the write protection off once. `noload` (ext4), `norecovery` (xfs) or `rescue=nologreplay` " +
      "(btrfs) beside `ro` reads it without the last writes.",
  },
  {
    when: { kernel: /devid (?<devid>\d+) uuid \S+ is missing/ },
    because: "member {devid} of the btrfs is missing",
    hint: "plug all its disks in; MNT_OPTIONS=degraded goes on without one where all is mirrored",
    readme: "`MNT_OPTIONS=degraded` goes on without a lost disk of a mirror (raid1).",
  },
  {
    when: { errno: ["EIO", "EINVAL", "EUCLEAN", "EBADMSG"], kernel: IO_ERROR },
    because: "the disk answers with errors",
    hint: CABLE,
    readme:
      "Cable, power supply (a Pi gives little), or the disk dies: the kernel's lines tell where.",
  },
  {
    when: { kernel: /bad geometry|device total_bytes should be at most|last sector read failed/ },
    because: "the file system is larger than the disk",
    hint: "is it a copy that was cut short, or was the partition made smaller?",
    readme: "A copy that was cut short, or a partition that was made smaller.",
  },
  {
    when: { kernel: /unsupported optional features|unknown (?:read-only )?(?:in)?compat/ },
    because: "the file system has features that this kernel does not know",
    hint: "use a newer kernel, or make the file system with an older mkfs",
    readme: "A new mkfs and an old kernel: use a newer kernel, or turn the feature off.",
  },
  {
    when: {
      kernel: /no journal found|[Ee]rror loading journal|no valid journal|load journal inode/,
    },
    because: "its journal is damaged",
    hint: "run {fsck}",
    readme: "e2fsck makes a new journal.",
  },
  {
    // EFSCORRUPTED and EFSBADCRC of ext4 and xfs.
    when: { errno: ["EUCLEAN", "EBADMSG"] },
    because: "the file system is damaged",
    hint: 'copy the disk if it holds the only backups, then run fsck on "{source}"',
    readme: "Copy the disk if it holds the only backups, then fsck.",
  },
  {
    when: { errno: ["EINVAL"], otherType: true },
    because: "wrong file system: blkid sees {blkid}",
    hint: "set MNT_FSTYPE={blkid}, or leave it unset",
    readme: "`MNT_FSTYPE` is not what is on the disk.",
  },
  {
    when: {
      errno: ["EINVAL"],
      kernel: /Can't find|Invalid superblock magic|cannot find valid \w+ superblock/,
    },
    because: "wrong file system: there is no {fstype} on it, and blkid sees none",
    hint: "is it the right disk or partition? compare with what blkid lists",
    readme: "The wrong disk or partition, or its beginning is lost.",
  },
  {
    when: { errno: ["EINVAL"], data: /./ },
    because: "wrong file system type, bad option or damaged super block",
    hint: "check the data {data} of MNT_DATA and MNT_OPTIONS",
  },
  {
    when: { errno: ["EINVAL"] },
    because: "wrong file system type, bad option or damaged super block",
    hint: 'check the disk: fsck -n "{source}"',
    readme: "The kernel did not say which; look at the options first.",
  },

  // What is where.
  {
    when: { errno: ["ENOENT"], targetThere: false },
    because: "the target is not there",
    hint: "something removed it meanwhile",
  },
  {
    when: { errno: ["ENOENT"], sourceThere: false },
    because: "the source is not there",
    hint: "was it unplugged?",
  },
  {
    when: { errno: ["ENOENT"], fstype: /^btrfs$/ },
    because: "a member device of the btrfs, or the subvolume, is missing",
    hint: "plug all its disks in, and check subvol= in MNT_OPTIONS or MNT_DATA; " +
      "MNT_OPTIONS=degraded goes on without a lost one",
    readme: "`subvol=` names what is not there, or a disk is missing.",
  },
  {
    when: { errno: ["ENOENT"] },
    because: "something that the options name is missing",
    hint: OPTIONS,
  },
  {
    when: { errno: ["EBUSY"], mounted: true },
    because: 'already mounted on "{where}" ({mode}, {type})',
    hint: "unmount it there, or set MNT_TARGET={where}",
    readme: "Something else, often the desktop, mounted it first with other options.",
  },
  {
    when: { errno: ["EBUSY"] },
    because: "the source is in use",
    hint: "is it part of a RAID, LVM or swap, or open exclusively?",
    readme: "A RAID, LVM, swap or another program holds the disk.",
  },
  {
    when: { errno: ["EACCES"], disk: false },
    because: "access denied",
    hint: "check what the server lets this machine mount, and the names in MNT_DATA",
  },
  {
    when: { errno: ["EPERM"] },
    because: "the server does not permit it",
    hint: "check what the server lets this machine mount, and the names in MNT_DATA",
  },
  {
    when: { errno: ["EACCES", "EROFS"], readOnly: true },
    because: "permission denied",
    hint: "check its write-protect switch; MNT_OPTIONS=ro serves restores alone",
  },
  {
    when: { errno: ["EACCES", "EROFS"] },
    because: "the medium is write-protected",
    hint: "check its write-protect switch; MNT_OPTIONS=ro serves restores alone",
    readme: "`MNT_OPTIONS=ro` serves restores.",
  },

  // An errno that says it by itself.
  {
    when: { errno: ["ENOTBLK"] },
    because: "the source is not a block device",
    hint: "set MNT_SOURCE to a disk or a partition; attach a file with losetup first",
    ...FINAL,
  },
  {
    when: { errno: ["ENOTDIR"] },
    because: "the target is not a directory",
    hint: "set MNT_TARGET to a directory",
    ...FINAL,
  },
  {
    when: { errno: ["ELOOP"] },
    because: "symlinks lead round in a circle",
    hint: "set MNT_SOURCE and MNT_TARGET to plain paths",
    ...FINAL,
  },
  {
    when: { errno: ["ENAMETOOLONG"] },
    because: "a path, or a part of one, is too long",
    hint: "set MNT_SOURCE and MNT_TARGET to shorter paths",
    ...FINAL,
  },
  {
    when: { errno: ["EFAULT"] },
    because: "the kernel could not read what it was given",
    hint: "this is a defect of this program: please report it",
    retry: false,
    kind: "defect",
  },
  {
    // EILSEQ: a checksum on the way to the disk; ENODATA: a medium error (`blk_errors` in block/blk-core.c).
    when: { errno: ["EIO", "EREMOTEIO", "EILSEQ", "ENODATA", "EHWPOISON"] },
    because: "the disk answers with errors",
    hint: CABLE,
  },
  {
    when: { errno: ["ENXIO", "ENOMEDIUM"] },
    because: "no medium, or the device is gone",
    hint: "plug the disk in",
    readme: "A card reader without its card, or a disk that was pulled just then.",
  },
  {
    when: { errno: ["EMEDIUMTYPE"] },
    because: "a medium of the wrong type",
    hint: "plug the right disk in",
  },
  { when: { errno: ["EEXIST", "ENOTUNIQ"] }, ...TWIN },
  {
    when: { errno: ["EFBIG", "EOVERFLOW"] },
    because: "the file system, or a value in it, is too large for this kernel",
    hint: "use a 64-bit or newer kernel",
  },
  {
    when: { errno: ["ENOSPC", "EDQUOT"] },
    because: "the file system has no room for what mounting writes",
    hint: "MNT_OPTIONS=ro serves restores alone; make room on another machine",
    readme: "A btrfs that is full to the brim: make room elsewhere, `MNT_OPTIONS=ro` until then.",
  },
  {
    when: { errno: ["EAGAIN", "ENOMEM", "ENFILE", "EMFILE", "ENOBUFS"] },
    because: "the kernel has no memory or descriptors left for it",
    hint: "check what uses them up, and the limits of this service",
  },
  {
    when: { errno: ["EINTR", "ERESTART", "ECANCELED"] },
    because: "the call was interrupted",
    hint: "nothing to do",
  },
  {
    when: { errno: ["EDOM", "ERANGE", "E2BIG"] },
    because: "a value in the options is out of range",
    hint: OPTIONS,
  },
  {
    when: {
      errno: [
        "EOPNOTSUPP",
        "EPROTO",
        "EPROTONOSUPPORT",
        "ESOCKTNOSUPPORT",
        "EPFNOSUPPORT",
        "EAFNOSUPPORT",
        "ENOPROTOOPT",
      ],
    },
    because: "the kernel, or the server, cannot do what the disk or the options ask for",
    hint: `${OPTIONS}, or use a newer kernel`,
  },
  {
    when: { errno: ["ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED"] },
    because: "the key for it is missing, too old or refused",
    hint: "check the names and secrets in MNT_DATA",
  },
  {
    when: { errno: ["ESTALE"] },
    because: "the server no longer knows the export by its old handle",
    hint: "check whether the server still exports it",
  },
  {
    when: { errno: ["ETIMEDOUT", "ETIME"], disk: true },
    because: "the disk does not answer",
    hint: CABLE,
  },
  {
    // What block layer and SCSI say of a path to the disk that is lost.
    when: { errno: ["ENOLINK"], disk: true },
    because: "the way to the disk is lost",
    hint: CABLE,
  },
  {
    when: { disk: false, errno: SERVER_IS_AWAY },
    because: "the server cannot be reached",
    hint: "check the network, the server, and the addresses in MNT_SOURCE and MNT_DATA",
    readme: "An export (NFS, CIFS): the network, the server, or the address is wrong.",
  },
  { when: {}, because: "the kernel refused", hint: "see the kernel log" },
];
