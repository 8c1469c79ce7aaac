/**
 * Records of `/dev/kmsg`: the kernel's `Documentation/ABI/testing/dev-kmsg`.
 *
 * @module
 */

/** One record of the kernel's log. */
export interface KernelRecord {
  /** 0 (emergency) to 7 (debug), as in syslog(3). */
  readonly level: number;
  readonly sequence: number;
  /** Microseconds since boot. */
  readonly timeUs: number;
  readonly message: string;
}

/**
 * Parses one record: `6,339,5140900,-;sda: detected\n SUBSYSTEM=block\n`. Continuation lines, which
 * name the device for programs, are left out.
 *
 * @throws {SyntaxError} for text that is not of this form.
 */
export function parseKernelRecord(record: string): KernelRecord {
  const match = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)/.exec(record);
  if (match === null) {
    throw new SyntaxError(`Cannot parse /dev/kmsg record: ${JSON.stringify(record.slice(0, 200))}`);
  }
  const [, priority, sequence, timeUs, message] = match;
  return {
    level: Number(priority) & 7,
    sequence: Number(sequence),
    timeUs: Number(timeUs),
    message: message!.replace(
      /((?:\\x[0-9a-f]{2})+)/gi,
      (hex) =>
        new TextDecoder().decode(
          new Uint8Array(hex.match(/[0-9a-f]{2}/gi)!.map((byte) => parseInt(byte, 16))),
        ),
    ),
  };
}

/**
 * What all messages have that tell of an unclean file system which was mounted all the same: with one of
 * them it is worth looking them up.
 */
export const UNCLEAN = /recovery|replay|properly|e2fsck/;

/** What the messages are wanted for. */
export interface Subject {
  /** The kernel's names of the disk, its partition and its other members: `sda`, `sda1`. */
  readonly names: readonly string[];
  /** "": also what is about no disk at all. */
  readonly fstype: string;
}

/** What the kernel calls block devices. */
const DISK =
  /\b(?:(?:s|v|xv|h)d[a-z]{1,2}\d*|(?:nvme\d+(?:c\d+)?n|mmcblk|loop|nbd|md|zram|pmem|bcache)\d+(?:p\d+|boot\d)?|(?:dm-|sr|fd)\d+)\b/;
/** What tells of the way to a disk, of mounting, or of who may. */
const STORAGE =
  /\b(?:usb|usb-storage|uas|xhci\S*|scsi|ata\d|mmc\d|nvme\d|jbd2|mount|superblock|denied)\b|I\/O error|Under-?voltage/i;
/** Dumps of damaged blocks, and what the kernel says of its own log. */
const DUMP = /^[0-9a-f]{8}: (?:[0-9a-f]{2} ){8}|^First \d+ bytes of|callbacks suppressed$/;

/** Whether a message names our disk, or no disk and our file system or what disks hang on. */
function concerns(message: string, { names, fstype }: Subject): boolean {
  const own = names.some((name) => new RegExp(`\\b${RegExp.escape(name)}\\b`).test(message));
  if (own || DISK.test(message)) return own;
  // nfs4 is NFS there, and vfat FAT-fs or vfat.
  const kin = [fstype, fstype.replace(/^v(?=fat$)|\d+$/g, "")];
  const lower = message.toLowerCase();
  return kin.some((name) => lower.startsWith(name)) || STORAGE.test(message);
}

/**
 * The messages of raw records, oldest first, each once, at most `limit`; user space's own records and
 * text that is no record are left out.
 *
 * @param about leaves out what is about other disks, and about no disk at all.
 */
export function kernelMessages(
  records: readonly string[],
  { limit = 5, about }: { readonly limit?: number; readonly about?: Subject } = {},
): string[] {
  const levels = new Map<string, number>();
  for (const record of records) {
    // Facility 0 is the kernel; anything above was written to /dev/kmsg by a program.
    const priority = /^(\d+),/.exec(record);
    if (priority === null || Number(priority[1]) >= 8) continue;
    try {
      const { message, level } = parseKernelRecord(record);
      levels.set(message.trim(), level);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  levels.delete("");
  let messages = [...levels.keys()];
  if (about !== undefined) {
    messages = messages.filter((message) => !DUMP.test(message) && concerns(message, about));
  }
  // Remarks (6, 7) make room for errors, warnings and notices.
  const serious = messages.filter((message) => levels.get(message)! < 6);
  return (messages.length > limit && serious.length > 0 ? serious : messages).slice(-limit);
}
