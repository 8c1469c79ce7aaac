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
  /** TYPE of blkid. */
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

/** mount(2) of something that is no file system: with the right type and with a wrong one. */
const NO_FILESYSTEM = { errno: ["ENODEV", "EINVAL"] } as const;
const LAYER = { retry: false, kind: "configuration", layer: true } as const;

/** Disks that hold no file system, but what one lies in. */
const LAYERS: readonly Hint[] = [
  {
    when: { ...NO_FILESYSTEM, blkid: /^crypto_LUKS$/ },
    because: "it is an encrypted container (LUKS), no file system",
    hint:
      'unlock it first ("cryptsetup open {source} backup") and set MNT_SOURCE=/dev/mapper/backup; ' +
      "gokrazy has no cryptsetup, and restic encrypts its backups by itself",
    readme:
      "Nothing here unlocks disks. On gokrazy use a plain file system: restic encrypts by itself.",
    ...LAYER,
  },
  {
    when: { ...NO_FILESYSTEM, blkid: /^(?:BitLocker|cs_fvault2)$/ },
    because: "it is encrypted by another system ({blkid}), no file system",
    hint: "use another disk, or make a file system on it with mkfs, which erases it",
    ...LAYER,
  },
  {
    when: { ...NO_FILESYSTEM, blkid: /^LVM[12]_member$/ },
    because: "it is a physical volume of LVM, no file system",
    hint:
      'activate its volumes ("vgchange -ay") and set MNT_SOURCE to one of them, /dev/GROUP/NAME; ' +
      "gokrazy has no LVM",
    readme: "The file system lies in a logical volume: name that one. gokrazy has no LVM.",
    ...LAYER,
  },
  {
    when: { ...NO_FILESYSTEM, blkid: /_raid_member$/ },
    because: "it is a member of a RAID ({blkid}), no file system",
    hint:
      'assemble the array ("mdadm --assemble --scan") and set MNT_SOURCE to it, such as /dev/md0; ' +
      "gokrazy has no mdadm, but dist:kernel makes a kernel with the RAID of btrfs",
    readme: "The file system lies on the array: name that one. gokrazy has no mdadm.",
    ...LAYER,
  },
  {
    when: { ...NO_FILESYSTEM, blkid: /^zfs_member$/ },
    because: "it is a member of a ZFS pool, or was one once",
    hint: 'import the pool ("zpool import") and set MNT_SOURCE=POOL/DATASET MNT_FSTYPE=zfs; ' +
      "where a file system was made over an old pool, set MNT_FSTYPE to it",
    readme: "ZFS mounts datasets, not disks: `MNT_SOURCE=pool/dataset`, `MNT_FSTYPE=zfs`.",
    ...LAYER,
  },
  {
    when: { ...NO_FILESYSTEM, blkid: /^(?:swap|swsuspend)$/ },
    because: "it is swap space, no file system",
    hint: "is it the right partition? mkfs would make a file system on it and erase it",
    readme: "The wrong partition, most likely: compare with what `blkid` lists.",
    ...LAYER,
  },
  {
    when: {
      ...NO_FILESYSTEM,
      blkid: /^(?:bcache|DM_\w+|drbd\w*|stratis|vdo|ceph_bluestore|mpool|ubi|VMFS_volume_member)$/,
    },
    because: "it is a part of another kind of storage ({blkid}), no file system",
    hint: "set that storage up first, and set MNT_SOURCE to the device that it makes",
    ...LAYER,
  },
];

/** All rows; what says more stands above what says less. */
export const HINTS: readonly Hint[] = [
  ...LAYERS,
];

/**
 * The row for a TYPE of blkid that no kernel mounts, such as `crypto_LUKS`; `undefined` for a file system and
 * for what blkid does not know.
 */
export function layerOf(type: string | undefined): Hint | undefined {
  return type === undefined
    ? undefined
    : HINTS.find(({ layer, when }) => layer && when.blkid?.test(type));
}

/** A text of a row with its words filled in. */
export function fill(text: string, words: Readonly<Record<string, string>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name) => words[name] ?? whole);
}

/** What a disk of this type is, and what to do, where no kernel mounts it. */
export function unmountable(
  type: string | undefined,
  source: string,
): { readonly because: string; readonly hint: string } | undefined {
  const row = layerOf(type);
  if (row === undefined) return undefined;
  const words = { source, blkid: type! };
  return { because: fill(row.because, words), hint: fill(row.hint, words) };
}
