/**
 * Mount options as mount(8) takes them, turned into what mount(2) takes.
 *
 * @module
 */
import * as linux from "./linux.ts";

/** One row of {@linkcode MOUNT_OPTIONS}. */
export interface MountOption {
  /** The word, as in `FILESYSTEM-INDEPENDENT MOUNT OPTIONS` of mount(8). */
  readonly name: string;
  /** The MS_* bits that the word sets, or clears when {@linkcode inverted}. */
  readonly flag?: number;
  /** The word clears the flag: `atime` clears MS_NOATIME. */
  readonly inverted?: true;
  /** Why the word is refused: it makes mount(2) another operation, or needs mount(8)'s own work. */
  readonly refused?: string;
}

const SECURE = linux.MS_NOSUID | linux.MS_NODEV;
const OTHER_OPERATION = "it makes mount(2) another operation than mounting a disk";
const NEEDS_LOOP = "it needs a loop device, which this program does not set up";
const NEEDS_VERITY = "it needs dm-verity, which this program does not set up";

/**
 * Every option that mount(8) interprets itself, from util-linux `libmount/src/optmap.c`. A row without
 * a flag is for user space only and never reaches the kernel. What is not in this table, nor an `x-`
 * or `X-` option, is the file system's and becomes data.
 */
export const MOUNT_OPTIONS: readonly MountOption[] = [
  { name: "ro", flag: linux.MS_RDONLY },
  { name: "rw", flag: linux.MS_RDONLY, inverted: true },
  { name: "nosuid", flag: linux.MS_NOSUID },
  { name: "suid", flag: linux.MS_NOSUID, inverted: true },
  { name: "nodev", flag: linux.MS_NODEV },
  { name: "dev", flag: linux.MS_NODEV, inverted: true },
  { name: "noexec", flag: linux.MS_NOEXEC },
  { name: "exec", flag: linux.MS_NOEXEC, inverted: true },
  { name: "sync", flag: linux.MS_SYNCHRONOUS },
  { name: "async", flag: linux.MS_SYNCHRONOUS, inverted: true },
  { name: "dirsync", flag: linux.MS_DIRSYNC },
  { name: "mand", flag: linux.MS_MANDLOCK },
  { name: "nomand", flag: linux.MS_MANDLOCK, inverted: true },
  { name: "noatime", flag: linux.MS_NOATIME },
  { name: "atime", flag: linux.MS_NOATIME, inverted: true },
  { name: "nodiratime", flag: linux.MS_NODIRATIME },
  { name: "diratime", flag: linux.MS_NODIRATIME, inverted: true },
  { name: "relatime", flag: linux.MS_RELATIME },
  { name: "norelatime", flag: linux.MS_RELATIME, inverted: true },
  { name: "strictatime", flag: linux.MS_STRICTATIME },
  { name: "nostrictatime", flag: linux.MS_STRICTATIME, inverted: true },
  { name: "lazytime", flag: linux.MS_LAZYTIME },
  { name: "nolazytime", flag: linux.MS_LAZYTIME, inverted: true },
  { name: "iversion", flag: linux.MS_I_VERSION },
  { name: "noiversion", flag: linux.MS_I_VERSION, inverted: true },
  { name: "silent", flag: linux.MS_SILENT },
  { name: "loud", flag: linux.MS_SILENT, inverted: true },
  { name: "nosymfollow", flag: linux.MS_NOSYMFOLLOW },
  { name: "symfollow", flag: linux.MS_NOSYMFOLLOW, inverted: true },

  { name: "user", flag: SECURE | linux.MS_NOEXEC },
  { name: "users", flag: SECURE | linux.MS_NOEXEC },
  { name: "owner", flag: SECURE },
  { name: "group", flag: SECURE },

  { name: "defaults" },
  { name: "auto" },
  { name: "noauto" },
  { name: "nouser" },
  { name: "nousers" },
  { name: "noowner" },
  { name: "nogroup" },
  { name: "nofail" },
  { name: "_netdev" },
  { name: "comment" },
  { name: "helper" },
  { name: "uhelper" },

  { name: "bind", refused: OTHER_OPERATION },
  { name: "rbind", refused: OTHER_OPERATION },
  { name: "move", refused: OTHER_OPERATION },
  { name: "remount", refused: OTHER_OPERATION },
  { name: "shared", refused: OTHER_OPERATION },
  { name: "rshared", refused: OTHER_OPERATION },
  { name: "slave", refused: OTHER_OPERATION },
  { name: "rslave", refused: OTHER_OPERATION },
  { name: "private", refused: OTHER_OPERATION },
  { name: "rprivate", refused: OTHER_OPERATION },
  { name: "unbindable", refused: OTHER_OPERATION },
  { name: "runbindable", refused: OTHER_OPERATION },
  { name: "loop", refused: NEEDS_LOOP },
  { name: "offset", refused: NEEDS_LOOP },
  { name: "sizelimit", refused: NEEDS_LOOP },
  { name: "encryption", refused: NEEDS_LOOP },
  { name: "verity.hashdevice", refused: NEEDS_VERITY },
  { name: "verity.roothash", refused: NEEDS_VERITY },
  { name: "verity.roothashfile", refused: NEEDS_VERITY },
];

const BY_NAME: ReadonlyMap<string, MountOption> = new Map(
  MOUNT_OPTIONS.map((option) => [option.name, option]),
);

/** What mount(2) takes for a list of options. */
export interface MountOptions {
  /** MS_* bits. */
  readonly flags: number;
  /** The file system's own options, separated by commas. */
  readonly data: string;
}

/**
 * Splits a comma-separated list of options; a comma within double quotes does not separate, as in
 * `context="system_u:object_r:tmp_t:s0:c127,c456"`. Empty items are left out.
 */
export function splitOptions(text: string): string[] {
  return (text.match(/(?:[^,"]|"[^"]*"?)+/g) ?? []).map((item) => item.trim()).filter((item) =>
    item !== ""
  );
}

/**
 * Parses options as mount(8) takes them: the later of two words wins, words for user space only are
 * kept from the kernel, and what is unknown here is the file system's, as it stands: SELinux splits at
 * the commas outside quotes and takes the quotes away itself (`opt_len` in `security/selinux/hooks.c`).
 *
 * ```ts
 * parseMountOptions("ro,noatime,nofail,subvol=backup"); // { flags: 0x401, data: "subvol=backup" }
 * ```
 *
 * @throws {RangeError} for a word that mount(2) would take as another operation, such as `bind`, and for a
 * quote that is not closed, which would swallow all options behind it.
 */
export function parseMountOptions(text: string): MountOptions {
  if (text.split('"').length % 2 === 0) throw new RangeError("a double quote in it is not closed");
  let flags = 0;
  const data: string[] = [];
  for (const item of splitOptions(text)) {
    const name = item.split("=", 1)[0] ?? "";
    if (/^x-/i.test(name)) continue;
    const option = BY_NAME.get(name);
    if (option === undefined) {
      data.push(item);
      continue;
    }
    if (option.refused !== undefined) {
      throw new RangeError(`option "${name}" is refused: ${option.refused}`);
    }
    if (option.flag === undefined) continue;
    flags = option.inverted ? flags & ~option.flag : flags | option.flag;
  }
  return { flags, data: data.join(",") };
}

/** The flag words that are set, as mount(8) writes them: `"ro,noatime"`; `"rw"` where MS_RDONLY is not set. */
export function formatFlags(flags: number): string {
  const words = MOUNT_OPTIONS
    .filter(({ flag, inverted, name }) =>
      flag !== undefined && !inverted && name !== "ro" && !(flag & (flag - 1)) && (flags & flag)
    )
    .map(({ name }) => name);
  return [flags & linux.MS_RDONLY ? "ro" : "rw", ...words].join(",");
}
