/**
 * Disks that hold no file system, but what one lies in: the part of the hints that needs no failed mount(2).
 *
 * @module
 */
import type { Hint } from "./hints.ts";

/** mount(2) of something that is no file system: with the right type and with a wrong one. */
const NO_FILESYSTEM = { errno: ["ENODEV", "EINVAL"] } as const;
const LAYER = { retry: false, kind: "configuration", layer: true } as const;

/** What each is, and what to do; `HINTS` has these rows, too. */
export const LAYERS: readonly Hint[] = [
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
      "gokrazy has no mdadm",
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
    when: { ...NO_FILESYSTEM, blkid: / partition table$/ },
    because: "it has a {blkid}, and no file system of its own",
    hint: "set MNT_SOURCE to one of its partitions, or to a tag of one",
    readme: "The whole disk was named: name a partition, such as `/dev/sda1`, or a tag.",
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

/**
 * The row for a TYPE of blkid that no kernel mounts, such as `crypto_LUKS`; `undefined` for a file system and
 * for what blkid does not know.
 */
function layerOf(type: string | undefined): Hint | undefined {
  return type === undefined ? undefined : LAYERS.find(({ when }) => when.blkid?.test(type));
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
