/**
 * The table of hints: each row is reached by what it is for, with the kernel's own words. What a machine can
 * cause is caused in tests/system/hints_test.ts; vfat, exfat, their charsets, AppArmor and servers stand here alone.
 */
import assert from "node:assert/strict";
import type { FailureKind } from "../../mod/exit.ts";
import { explainMount, type MountFacts, parseRights, warnOfMount } from "../../mod/explain.ts";
import { HINTS } from "../../mod/hints.ts";
import { UNCLEAN } from "../../mod/kmsg.ts";
import { unmountable } from "../../mod/layers.ts";
import { ERRNO } from "../../mod/linux.ts";
import { parseMountinfo } from "../../mod/mountinfo.ts";
import type { MountSpec } from "../../mod/source.ts";

const SPEC: MountSpec = {
  source: "/dev/sda1",
  target: "/perm/backup",
  fstype: "ext4",
  flags: 0,
  data: "",
};
const NO_RIGHTS = { capable: false, userNamespace: false, filtered: false };
const FACTS: MountFacts = {
  mounts: [],
  filesystems: ["ext4", "vfat"],
  blkidType: undefined,
  sourceExists: true,
  targetExists: true,
  root: true,
  rights: NO_RIGHTS,
  kernelLines: [],
};
const EXPORT = { source: "nas:/export", fstype: "nfs4" };

interface Case {
  /** Why, as the line says it. */
  readonly says: string;
  /** What to do, or a part of it. */
  readonly cure: string;
  /** None: the mount succeeded. */
  readonly errno?: keyof typeof ERRNO;
  readonly spec?: Partial<MountSpec>;
  readonly facts?: Partial<MountFacts>;
  readonly kernel?: string;
  /** It is not tried again. */
  readonly final?: FailureKind;
}

const UNPLAYED =
  "it was not unmounted cleanly, and its journal cannot be played back on a read-only medium";
const PLAYED = "it was not unmounted cleanly, and its journal was played back";

const CASES: readonly Case[] = [
  {
    kernel:
      "FAT-fs (sda1): Volume was not properly unmounted. Some data may be corrupt. Please run fsck.",
    spec: { fstype: "vfat" },
    says: "it was not unmounted cleanly, files may be damaged",
    cure: 'unmount it and run "fsck.vfat -a /dev/sda1"',
  },
  {
    kernel:
      "exFAT-fs (sda1): Volume was not properly unmounted. Some data may be corrupt. Please run fsck.",
    spec: { fstype: "exfat" },
    says: "it was not unmounted cleanly, files may be damaged",
    cure: 'run "fsck.exfat -a /dev/sda1"',
  },
  { kernel: "EXT4-fs (sda1): recovery complete", says: PLAYED, cure: '"e2fsck -f /dev/sda1"' },
  {
    kernel: "XFS (sda1): Ending recovery (logdev: internal)",
    spec: { fstype: "xfs" },
    says: PLAYED,
    cure: "xfs_repair",
  },
  {
    kernel: "BTRFS info (device sda1): start tree-log replay",
    spec: { fstype: "btrfs" },
    says: PLAYED,
    cure: "btrfs check",
  },
  {
    kernel: "EXT4-fs (sda1): warning: mounting fs with errors, running e2fsck is recommended",
    says: "it is marked as not clean or due for a check",
    cure: "e2fsck -f",
  },
  {
    kernel: "EXT4-fs (sda1): warning: checktime reached, running e2fsck is recommended",
    says: "it is marked as not clean or due for a check",
    cure: "e2fsck -f",
  },

  {
    errno: "EACCES",
    kernel:
      'audit: type=1400 audit(1.0:1): apparmor="DENIED" operation="mount" class="mount" info="failed flags match" error=-13 profile="docker-default" name="/mnt/"',
    says: "a security module (AppArmor, SELinux) refuses mount(2)",
    cure: "let the profile",
    final: "not permitted",
  },
  {
    errno: "EACCES",
    kernel:
      'audit: type=1400 audit(1.0:2): avc:  denied  { mount } for  pid=5 comm="rest" tclass=filesystem',
    says: "a security module (AppArmor, SELinux) refuses mount(2)",
    cure: "let the profile",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    facts: { rights: { capable: true, userNamespace: true, filtered: true } },
    says: "root of a user namespace cannot mount a disk",
    cure: "outside of the user namespace",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    facts: { root: false },
    says: "only root can mount",
    cure: "run it as root",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    says: "root here has no CAP_SYS_ADMIN",
    cure: "give the container or service CAP_SYS_ADMIN",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    facts: { root: false, rights: { ...NO_RIGHTS, capable: true, filtered: true } },
    says: "CAP_SYS_ADMIN is there, but a seccomp filter or a security module refuses mount(2)",
    cure: "SystemCallFilter=@mount",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    facts: { rights: { ...NO_RIGHTS, capable: true } },
    says:
      "CAP_SYS_ADMIN is there, but a security module (AppArmor, SELinux, Landlock) refuses mount(2)",
    cure: "let the profile",
    final: "not permitted",
  },
  {
    errno: "EPERM",
    spec: EXPORT,
    facts: { rights: { ...NO_RIGHTS, capable: true } },
    says: "the server does not permit it",
    cure: "check what the server",
  },
  {
    errno: "ENOSYS",
    says: "the system call is not there, or a seccomp filter hides it",
    cure: "call mount(2)",
    final: "not permitted",
  },

  {
    errno: "EINVAL",
    spec: { data: "user_xattr,nofail" },
    kernel: "ext4: Unknown parameter 'nofail'",
    says: '"nofail" in the data is a word of mount(8), no kernel takes it',
    cure: "to MNT_OPTIONS",
  },
  ...[
    "ext4: Unknown parameter 'nosuch'",
    'EXT4-fs (sda1): Unrecognized mount option "nosuch=5" or missing value',
    'FAT-fs (sda1): Unrecognized mount option "nosuch" or missing value',
    "BTRFS error (device sda1): unrecognized mount option 'nosuch'",
    "XFS (sda1): unknown mount option [nosuch].",
  ].map((kernel): Case => ({
    errno: "EINVAL",
    spec: { data: "nosuch" },
    kernel,
    says: 'ext4 of this kernel knows no option "nosuch"',
    cure: "correct it or leave it out in MNT_DATA or MNT_OPTIONS",
  })),
  {
    errno: "EINVAL",
    kernel: "exfat: Bad value for 'umask'",
    spec: { fstype: "exfat", data: "umask=x" },
    says: 'a wrong value for "umask" in the options of exfat',
    cure: "correct it",
  },
  {
    errno: "EINVAL",
    kernel: "FAT-fs (sda1): codepage cp437 not found",
    spec: { fstype: "vfat" },
    says: "this kernel does not have the codepage cp437 for file names",
    cure: "codepage=",
  },
  {
    errno: "EINVAL",
    kernel: "FAT-fs (sda1): IO charset iso8859-1 not found",
    spec: { fstype: "vfat" },
    says: "this kernel does not have the IO charset iso8859-1 for file names",
    cure: "MNT_DATA=iocharset=utf8",
  },
  {
    errno: "EINVAL",
    kernel: "exFAT-fs (sda1): IO charset klingon not found",
    spec: { fstype: "exfat" },
    says: "this kernel does not have the IO charset klingon for file names",
    cure: "MNT_DATA=iocharset=utf8",
  },

  ...([
    [
      "crypto_LUKS",
      "it is an encrypted container (LUKS), no file system",
      "cryptsetup open /dev/sda1",
    ],
    ["BitLocker", "it is encrypted by another system (BitLocker), no file system", "mkfs"],
    ["LVM2_member", "it is a physical volume of LVM, no file system", "vgchange"],
    ["isw_raid_member", "it is a member of a RAID (isw_raid_member), no file system", "mdadm"],
    ["zfs_member", "it is a member of a ZFS pool, or was one once", "zpool import"],
    ["swap", "it is swap space, no file system", "right partition"],
    [
      "dos partition table",
      "it has a dos partition table, and no file system of its own",
      "one of its partitions",
    ],
    ["bcache", "it is a part of another kind of storage (bcache), no file system", "device"],
  ] as const).flatMap(([blkidType, says, cure]): Case[] => [
    {
      errno: "ENODEV",
      spec: { fstype: blkidType },
      facts: { blkidType },
      says,
      cure,
      final: "configuration",
    },
    { errno: "EINVAL", facts: { blkidType }, says, cure },
  ]),
  {
    errno: "ENODEV",
    spec: { fstype: "ntfs" },
    facts: { blkidType: "ntfs" },
    says: 'it has NTFS, and this kernel has no file system "ntfs"; it has ext4, vfat',
    cure: "MNT_FSTYPE=ntfs3",
    final: "configuration",
  },
  {
    errno: "ENODEV",
    spec: { fstype: "exfat" },
    facts: { blkidType: "exfat" },
    says: 'this kernel has no file system "exfat"; it has ext4, vfat',
    cure: "use a kernel with it",
    final: "configuration",
  },
  {
    errno: "EINVAL",
    spec: { fstype: "xfs" },
    facts: { blkidType: "xfs" },
    kernel: "XFS (sda1): Filesystem has duplicate UUID 5e1c - can't mount",
    says: "the kernel knows another disk with the same identity",
    cure: "unplug one",
  },
  {
    errno: "EROFS",
    spec: { flags: 1 },
    kernel: "EXT4-fs (sda1): write access unavailable, cannot proceed (try mounting with noload)",
    says: UNPLAYED,
    cure: "MNT_OPTIONS=ro,noload",
  },
  {
    errno: "EROFS",
    spec: { flags: 1, fstype: "xfs" },
    kernel: "XFS (sda1): recovery required on read-only device.",
    says: UNPLAYED,
    cure: "MNT_OPTIONS=ro,norecovery",
  },
  {
    errno: "EIO",
    spec: { flags: 1, fstype: "btrfs" },
    kernel: "BTRFS warning (device sda1): log replay required on RO media",
    says: UNPLAYED,
    cure: "MNT_OPTIONS=ro,rescue=nologreplay",
  },
  {
    errno: "ENOENT",
    spec: { fstype: "btrfs" },
    kernel:
      "BTRFS error (device sda1): devid 2 uuid ff34c7d9-3c98-405e-aa8b-12b36324684e is missing",
    says: "member 2 of the btrfs is missing",
    cure: "MNT_OPTIONS=degraded",
  },
  {
    errno: "EINVAL",
    kernel: "I/O error, dev sda, sector 2 op 0x0:(READ) flags 0x1000 phys_seg 1 prio class 2",
    says: "the disk answers with errors",
    cure: "check its cable, power supply and health",
  },
  {
    errno: "EINVAL",
    kernel: "EXT4-fs (sda1): bad geometry: block count 16384 exceeds size of device (8192 blocks)",
    says: "the file system is larger than the disk",
    cure: "cut short",
  },
  {
    errno: "EINVAL",
    kernel:
      "BTRFS error (device sda1): cannot mount because of unknown incompat features (0x10000)",
    spec: { fstype: "btrfs" },
    says: "the file system has features that this kernel does not know",
    cure: "newer kernel",
  },
  {
    errno: "EIO",
    kernel: "EXT4-fs (sda1): no journal found",
    says: "its journal is damaged",
    cure: 'run "e2fsck -f /dev/sda1"',
  },
  { errno: "EUCLEAN", says: "the file system is damaged", cure: 'run fsck on "/dev/sda1"' },
  {
    errno: "EINVAL",
    facts: { blkidType: "btrfs" },
    kernel: "EXT4-fs (sda1): VFS: Can't find ext4 filesystem",
    says: "wrong file system: blkid sees btrfs",
    cure: "set MNT_FSTYPE=btrfs",
  },
  {
    errno: "EINVAL",
    kernel: "EXT4-fs (sda1): VFS: Can't find ext4 filesystem",
    says: "wrong file system: there is no ext4 on it, and blkid sees none",
    cure: "right disk",
  },
  {
    errno: "EINVAL",
    spec: { data: "password=secret,x=1" },
    says: "wrong file system type, bad option or damaged super block",
    cure: 'check the data "password=***,x=1" of MNT_DATA',
  },
  {
    errno: "EINVAL",
    says: "wrong file system type, bad option or damaged super block",
    cure: 'fsck -n "/dev/sda1"',
  },

  {
    errno: "ENOENT",
    facts: { targetExists: false },
    says: "the target is not there",
    cure: "removed",
  },
  {
    errno: "ENOENT",
    facts: { sourceExists: false },
    says: "the source is not there",
    cure: "unplugged",
  },
  {
    errno: "ENOENT",
    spec: { fstype: "btrfs", data: "subvol=nowhere" },
    says: "a member device of the btrfs, or the subvolume, is missing",
    cure: "subvol=",
  },
  { errno: "ENOENT", says: "something that the options name is missing", cure: "MNT_DATA" },
  {
    errno: "EBUSY",
    facts: {
      majorMinors: ["8:1"],
      mounts: parseMountinfo("2 1 8:1 / /mnt/usb rw - ext4 /dev/disk/by-label/restic rw\n"),
    },
    says: 'already mounted on "/mnt/usb" (rw, ext4)',
    cure: "set MNT_TARGET=/mnt/usb",
  },
  { errno: "EBUSY", says: "the source is in use", cure: "RAID" },
  {
    errno: "EACCES",
    spec: { source: "//nas/backup", fstype: "cifs" },
    says: "access denied",
    cure: "check what the server",
  },
  { errno: "EROFS", spec: { flags: 1 }, says: "permission denied", cure: "write-protect" },
  { errno: "EACCES", says: "the medium is write-protected", cure: "MNT_OPTIONS=ro" },

  // errno_test.ts has every errno; these are its rows.
  {
    errno: "ENOTBLK",
    says: "the source is not a block device",
    cure: "losetup",
    final: "configuration",
  },
  {
    errno: "ENOTDIR",
    says: "the target is not a directory",
    cure: "MNT_TARGET",
    final: "configuration",
  },
  {
    errno: "ELOOP",
    says: "symlinks lead round in a circle",
    cure: "plain",
    final: "configuration",
  },
  {
    errno: "ENAMETOOLONG",
    says: "a path, or a part of one, is too long",
    cure: "shorter",
    final: "configuration",
  },
  {
    errno: "EFAULT",
    says: "the kernel could not read what it was given",
    cure: "report it",
    final: "defect",
  },
  { errno: "EIO", says: "the disk answers with errors", cure: "cable" },
  { errno: "ENOMEDIUM", says: "no medium, or the device is gone", cure: "plug" },
  { errno: "EMEDIUMTYPE", says: "a medium of the wrong type", cure: "plug" },
  { errno: "EEXIST", says: "the kernel knows another disk with the same identity", cure: "copy" },
  {
    errno: "EFBIG",
    says: "the file system, or a value in it, is too large for this kernel",
    cure: "64-bit",
  },
  {
    errno: "ENOSPC",
    says: "the file system has no room for what mounting writes",
    cure: "make room",
  },
  {
    errno: "ENOMEM",
    says: "the kernel has no memory or descriptors left for it",
    cure: "limits",
  },
  { errno: "EINTR", says: "the call was interrupted", cure: "nothing" },
  { errno: "E2BIG", says: "a value in the options is out of range", cure: "MNT_DATA" },
  {
    errno: "EPROTONOSUPPORT",
    spec: EXPORT,
    says: "the kernel, or the server, cannot do what the disk or the options ask for",
    cure: "newer kernel",
  },
  {
    errno: "ENOKEY",
    spec: { source: "//nas/backup", fstype: "cifs" },
    says: "the key for it is missing, too old or refused",
    cure: "secrets",
  },
  {
    errno: "ESTALE",
    spec: EXPORT,
    says: "the server no longer knows the export by its old handle",
    cure: "exports it",
  },
  { errno: "ETIMEDOUT", says: "the disk does not answer", cure: "cable" },
  { errno: "ENOLINK", says: "the way to the disk is lost", cure: "cable" },
  { errno: "ETIMEDOUT", spec: EXPORT, says: "the server cannot be reached", cure: "network" },
  { errno: "ESRCH", says: "the kernel refused", cure: "kernel log" },
];

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

Deno.test("P9: each case is explained by the row that is for it", () => {
  for (const { errno, spec, facts, kernel, says, cure, final } of CASES) {
    const whole = { ...SPEC, ...spec };
    const kernelLines = kernel === undefined ? [] : ["EXT4-fs (sda1): before", kernel, "behind"];
    if (errno === undefined) {
      const text = warnOfMount(whole, kernelLines)!;
      assert.ok(text.startsWith(`"/dev/sda1" is mounted, but ${says}; `), text);
      assert.ok(text.includes(cure), text);
      continue;
    }
    const said = explainMount(ERRNO[errno], whole, { ...FACTS, ...facts, kernelLines });
    const [, rest] = said.text.split(`: ${errno} (${says}); `);
    assert.ok(rest?.includes(cure), said.text);
    assert.doesNotMatch(said.text, /\{\w+\}|undefined/);
    assert.deepEqual([said.retry, said.kind], [final === undefined, final ?? "mount"], said.text);
  }
});

Deno.test("every row of the table has a case", () => {
  for (const { because, warning } of HINTS) {
    const pattern = new RegExp(`^${escape(because).replace(/\\\{\w+\\\}/g, ".+")}$`);
    const has = CASES.some(({ says, errno }) =>
      pattern.test(says) && !errno === (warning === true)
    );
    assert.ok(has, because);
  }
});

Deno.test("a mount without a word against it is not warned of", () => {
  const lines = [
    "EXT4-fs (sda1): mounted filesystem 5af14d77 r/w with ordered data mode. Quota mode: none.",
    "XFS (sda1): Ending clean mount",
    "BTRFS info (device sda1): first mount of filesystem 6897b9fa",
    "BTRFS info (device sda1): enabling free space tree",
  ];
  assert.equal(warnOfMount(SPEC, lines), undefined);
  assert.equal(lines.some((line) => UNCLEAN.test(line)), false);
  // Only lines with one of its words are looked up at all.
  for (const { errno, kernel } of CASES) {
    if (errno === undefined) assert.match(kernel!, UNCLEAN);
  }
});

Deno.test("the kernel's remarks about an unclean file system explain no failure", () => {
  const kernelLines = ["EXT4-fs (sda1): recovery complete"];
  const { text } = explainMount(ERRNO.EIO, SPEC, { ...FACTS, kernelLines });
  assert.match(text, /\(the disk answers with errors\)/);
});

Deno.test("unmountable() names what no kernel mounts, and nothing else", () => {
  assert.deepEqual(unmountable("crypto_LUKS", "/dev/sdb"), {
    because: "it is an encrypted container (LUKS), no file system",
    hint: 'unlock it first ("cryptsetup open /dev/sdb backup") and set ' +
      "MNT_SOURCE=/dev/mapper/backup; gokrazy has no cryptsetup, and restic encrypts its backups by itself",
  });
  // All that libblkid of util-linux 2.38 calls so.
  const layers =
    "crypto_LUKS BitLocker LVM1_member LVM2_member linux_raid_member ddf_raid_member " +
    "isw_raid_member lsi_mega_raid_member via_raid_member silicon_medley_raid_member " +
    "nvidia_raid_member promise_fasttrack_raid_member hpt37x_raid_member hpt45x_raid_member " +
    "adaptec_raid_member jmicron_raid_member zfs_member swap swsuspend bcache drbd " +
    "drbdproxy_datalog drbdmanage_control_volume stratis DM_integrity DM_snapshot_cow " +
    "DM_verity_hash ceph_bluestore mpool ubi VMFS_volume_member";
  for (const type of layers.split(" ")) assert.ok(unmountable(type, "/dev/sdb"), type);
  for (const type of ["ext4", "xfs", "btrfs", "vfat", "exfat", "ntfs", "f2fs", "ubifs", "VMFS"]) {
    assert.equal(unmountable(type, "/dev/sdb"), undefined, type);
  }
  assert.equal(unmountable(undefined, "/dev/sdb"), undefined);
});

Deno.test("parseRights() reads capabilities, filter and user namespace from proc(5)", () => {
  const status = (effective: string, seccomp: string) =>
    `Name:\tdeno\nUid:\t0\t0\t0\t0\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n` +
    `CapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t${seccomp}\nSeccomp_filters:\t0\n`;
  const all = "         0          0 4294967295\n";
  assert.deepEqual(parseRights(status("000001ffffffffff", "0"), all), {
    capable: true,
    userNamespace: false,
    filtered: false,
  });
  // What docker gives a container.
  assert.deepEqual(parseRights(status("00000000a80425fb", "2"), "0 100000 65536\n"), {
    capable: false,
    userNamespace: true,
    filtered: true,
  });
  assert.deepEqual(parseRights("", ""), NO_RIGHTS);
});
