/**
 * Facts gathered after a failed call, turned into one sentence and one hint.
 *
 * @module
 */
import { type Reason, reasonOfMount, reasonOfUnmount } from "./errno_reasons.ts";
import type { FailureKind } from "./exit.ts";
import { ERRNO, errnoName, MS_RDONLY } from "./linux.ts";
import { formatFlags, maskSecrets } from "./mount_options.ts";
import type { MountInfo } from "./mountinfo.ts";
import type { MountSpec } from "./source.ts";

/** What is known about a failed mount(2). */
export interface MountFacts {
  readonly mounts: readonly MountInfo[];
  /** File systems of `/proc/filesystems`, see proc(5). */
  readonly filesystems: readonly string[];
  /** What blkid says is on the device; `undefined` where it was not asked or knows nothing. */
  readonly blkidType: string | undefined;
  readonly sourceExists: boolean;
  readonly targetExists: boolean;
  readonly root: boolean;
  /** The kernel's own lines since the attempt. */
  readonly kernelLines: readonly string[];
}

/** A failed call, explained. */
export interface Explanation {
  /** Whether time or a person at the disk can cure it. */
  readonly retry: boolean;
  readonly kind: FailureKind;
  /** One line: what was tried, on what, what the kernel said, what to do. */
  readonly text: string;
}

/** Words that mount(8) understands and no kernel does. */
const USERSPACE_WORD = /(?:^|,)(?:(defaults|nofail|noauto|auto|_netdev|users?)(?=,|$)|(x-[^,=]*))/;

function listed(words: readonly string[]): string {
  return words.length === 0 ? "none that can be read" : words.join(", ");
}

/** File systems that a block device can hold, from the text of `/proc/filesystems`. */
export function blockFilesystems(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("\t")).map((line) => line.trim());
}

/** Whether a disk is to be mounted, and no export of a server. */
function isDisk(spec: MountSpec): boolean {
  return spec.source.startsWith("/");
}

function reasonFor(errno: number, spec: MountSpec, facts: MountFacts): Reason {
  switch (errno) {
    case ERRNO.EPERM:
      return {
        because: facts.root ? "root here has no CAP_SYS_ADMIN" : "only root can mount",
        hint: facts.root
          ? "give the container or service CAP_SYS_ADMIN"
          : "run it as root, or let root mount the disk and leave MNT_SOURCE unset",
        retry: false,
        kind: "not permitted",
      };
    case ERRNO.ENODEV:
      return {
        because: `this kernel has no file system "${spec.fstype}"; it has ${
          listed(facts.filesystems)
        }`,
        hint: "set MNT_FSTYPE to what is on the disk, or use a kernel with it",
        retry: false,
        kind: "configuration",
      };
    case ERRNO.ENOENT:
      if (!facts.targetExists) {
        return { because: "the target is not there", hint: "something removed it meanwhile" };
      }
      if (!facts.sourceExists) {
        return { because: "the source is not there", hint: "was it unplugged?" };
      }
      return spec.fstype === "btrfs"
        ? {
          because: "a member device of the btrfs, or the subvolume, is missing",
          hint: "plug all its disks in, see subvol= in MNT_OPTIONS or MNT_DATA; " +
            "MNT_OPTIONS=degraded goes on without a lost one",
        }
        : {
          because: "something that the options name is missing",
          hint: "see MNT_DATA and MNT_OPTIONS",
        };
    case ERRNO.EBUSY: {
      const elsewhere = facts.mounts.find((mount) => mount.mountSource === spec.source);
      return elsewhere === undefined
        ? {
          because: "the source is in use",
          hint: "is it part of a RAID, LVM or swap, or open exclusively?",
        }
        : {
          because: `already mounted on "${elsewhere.mountPoint}" (${
            elsewhere.superOptions.includes("ro") ? "ro" : "rw"
          }, ${elsewhere.fsType})`,
          hint: `unmount it there, or set MNT_TARGET=${elsewhere.mountPoint}`,
        };
    }
    case ERRNO.EINVAL: {
      const [, plain, extension] = USERSPACE_WORD.exec(spec.data) ?? [];
      const word = plain ?? extension;
      if (word !== undefined) {
        return {
          because: `"${word}" in the data is a word of mount(8), no kernel takes it`,
          hint: "move it from MNT_DATA to MNT_OPTIONS",
        };
      }
      if (facts.blkidType !== undefined && facts.blkidType !== spec.fstype) {
        return {
          because: `wrong file system: blkid sees ${facts.blkidType}`,
          hint: `set MNT_FSTYPE=${facts.blkidType}, or leave it unset`,
        };
      }
      return {
        because: "wrong file system type, bad option or damaged super block",
        hint: spec.data === ""
          ? `check the disk: fsck -n "${spec.source}"`
          : `check the data ${JSON.stringify(maskSecrets(spec.data))} of MNT_DATA and MNT_OPTIONS`,
      };
    }
    case ERRNO.EACCES:
      if (!isDisk(spec)) return reasonOfMount(errno, false);
      // falls through
    case ERRNO.EROFS:
      return {
        because: spec.flags & MS_RDONLY ? "permission denied" : "the medium is write-protected",
        hint: "see its write-protect switch; MNT_OPTIONS=ro serves restores alone",
      };
    case ERRNO.EUCLEAN: // EFSCORRUPTED of ext4 and xfs.
    case ERRNO.EBADMSG: // EFSBADCRC of both.
      return {
        because: "the file system is damaged",
        hint: `unplug nothing, run fsck on "${spec.source}"`,
      };
    default:
      return reasonOfMount(errno, isDisk(spec));
  }
}

/** `"/dev/sda1" on "/perm/backup" as ext4`: what every message about a mount names. */
export function describeMount(spec: MountSpec): string {
  return `"${spec.source}" on "${spec.target}" as ${spec.fstype}`;
}

/**
 * Explains a failed mount(2): `Cannot mount "/dev/sda1" on "/perm/backup" as ext4: EBUSY (already
 * mounted on "/mnt/usb"); unmount it there`.
 */
export function explainMount(errno: number, spec: MountSpec, facts: MountFacts): Explanation {
  const { because, hint, retry = true, kind = "mount" } = reasonFor(errno, spec, facts);
  const options = spec.data === ""
    ? formatFlags(spec.flags)
    : `${formatFlags(spec.flags)},${maskSecrets(spec.data)}`;
  const kernel = facts.kernelLines.length === 0
    ? ""
    : `; the kernel says: ${facts.kernelLines.join(" | ")}`;
  return {
    retry,
    kind,
    text: `Cannot mount ${describeMount(spec)} with ${options}: ${errnoName(errno)} ` +
      `(${because}); ${hint}${kernel}`,
  };
}

/** Explains a failed umount2(2), with whoever holds the mount. */
export function explainUnmount(errno: number, target: string, holders: readonly string[]): string {
  const because = errno !== ERRNO.EBUSY
    ? reasonOfUnmount(errno)
    : holders.length === 0
    ? "something holds it"
    : `held by ${holders.join(", ")}`;
  return `Cannot unmount "${target}": ${errnoName(errno)} (${because})`;
}
