/**
 * The variables of the configuration: one table, with what each takes and means.
 *
 * @module
 */
import { type MountOptions, parseMountOptions } from "./mount_options.ts";
import { resolvePath } from "./server_args.ts";
import { parseSource, type SourceSpec } from "./source.ts";

/** One row of {@linkcode CONFIG}. */
export interface Variable<T> {
  /** What holds where the variable is unset or empty, as the help shows it. */
  readonly fallback: string;
  /** What it takes, to follow "takes" in an error. */
  readonly takes: string;
  readonly meaning: string;
  /** @throws {RangeError} for a value it does not take; its message is shown after the value. */
  readonly parse: (text: string) => T;
}

/** mount(2) copies one page of data, with its terminating zero: `copy_mount_options` in `fs/namespace.c`. */
export const DATA_MAX_BYTES = 4095;

export function parseSeconds(text: string): number {
  if (!/^\d{1,8}(\.\d{1,3})?$/.test(text)) throw new RangeError("not a number of seconds");
  return Math.round(Number(text) * 1000);
}

function parseTarget(text: string): string {
  if (!text.startsWith("/")) throw new RangeError("not an absolute path");
  if (text.split("/").includes("..")) throw new RangeError('".." is not allowed in it');
  const path = resolvePath(text, "/");
  if (path === "/") throw new RangeError("the root directory cannot be mounted over");
  return path;
}

function parseFstype(text: string): string | null {
  if (!/^[A-Za-z0-9_.-]+$/.test(text)) throw new RangeError("not the name of a file system");
  return text === "auto" ? null : text;
}

function parseData(text: string): string {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > DATA_MAX_BYTES) {
    throw new RangeError(`${bytes} bytes, the kernel takes ${DATA_MAX_BYTES}`);
  }
  return text;
}

function parseUser(text: string): { uid: number; gid: number } {
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  // 0xffffffff is (uid_t) -1, which means "no change" to the kernel.
  if (uid === undefined || Number(uid) >= 0xffffffff || Number(gid) >= 0xffffffff) {
    throw new RangeError("not a pair of ids");
  }
  return { uid: Number(uid), gid: Number(gid) };
}

function parseWord<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word === undefined) throw new RangeError(`not one of ${words.join(", ")}`);
    return word;
  };
}

function parseProgram(text: string): string {
  return text;
}

const define = <T>(variable: Variable<T>) => variable;

/** Every variable, in the order of the help. It feeds the parser, `--help` and the table of the README. */
export const CONFIG = {
  MNT_SOURCE: define<SourceSpec>({
    fallback: "-",
    takes: "/dev/NAME, UUID=, LABEL=, PARTUUID=, PARTLABEL=, or what the file system itself takes",
    meaning:
      "the disk: a path, a tag of blkid such as `UUID=...` (its value with or without double " +
      "quotes), or a source that is no device, such as `server:/export` or `tmpfs`",
    parse: parseSource,
  }),
  MNT_TARGET: define({
    fallback: "-",
    takes: "an absolute path",
    meaning: "directory to mount on; made if missing",
    parse: parseTarget,
  }),
  MNT_FSTYPE: define({
    fallback: "what blkid says",
    takes: "the name of a file system, such as ext4",
    meaning:
      "exfat, ext4, vfat, btrfs, or any other that the kernel has; needed for a source that is " +
      "no device",
    parse: parseFstype,
  }),
  MNT_DATA: define({
    fallback: "empty",
    takes: `at most ${DATA_MAX_BYTES} bytes`,
    meaning: "given to mount(2) as data, verbatim",
    parse: parseData,
  }),
  MNT_OPTIONS: define<MountOptions>({
    fallback: "nosuid,nodev,noexec,relatime",
    takes: "options as mount(8) takes them, such as noatime,subvol=backup",
    meaning: "as mount(8) takes them; flags become MS_*, the rest joins the data",
    parse: parseMountOptions,
  }),
  MNT_WAIT: define({
    fallback: "no limit",
    takes: "seconds, 0 or more",
    meaning: "seconds to wait for the device and a working mount; 0: one attempt",
    parse: parseSeconds,
  }),
  MNT_STOP: define({
    fallback: "60",
    takes: "seconds, 0 or more",
    meaning: "seconds rest-server gets between SIGTERM and SIGKILL; 0: SIGKILL at once",
    parse: parseSeconds,
  }),
  MNT_WATCH: define({
    fallback: "2",
    takes: "seconds, 0 or more",
    meaning: "seconds between two looks at the disk while it is served; 0: never",
    parse: parseSeconds,
  }),
  MNT_USER: define({
    fallback: "-",
    takes: "uid:gid, both numbers, such as 1000:1000",
    meaning:
      "the user that rest-server runs as, as `uid:gid`; on vfat and exfat `uid=`, `gid=` and `umask=` " +
      "join the data unless given",
    parse: parseUser,
  }),
  MNT_SANDBOX: define({
    fallback: "on",
    takes: "on or off",
    meaning:
      "a Landlock sandbox around rest-server: it can write only below the mounted directory; `off`: none",
    parse: parseWord("on", "off"),
  }),
  MNT_SERVER: define({
    fallback: "/user/rest-server, then PATH",
    takes: "a path, or a name to look up in PATH",
    meaning: "the rest-server to run",
    parse: parseProgram,
  }),
  MNT_BLKID: define({
    fallback: "/usr/local/bin/blkid, then PATH",
    takes: "a path, or a name to look up in PATH",
    meaning: "the blkid to ask",
    parse: parseProgram,
  }),
  MNT_LOG: define({
    fallback: "text",
    takes: "text or json",
    meaning: "form of the log on stderr: lines for people, or one JSON object a line",
    parse: parseWord("text", "json"),
  }),
  MNT_CONFIG_DIR: define({
    fallback: "-",
    takes: "a directory",
    meaning:
      "where `env/restic-rest-server/env.txt` and `flags/restic-rest-server/flags.txt` are read; " +
      "the environment and the command line win",
    parse: parseProgram,
  }),
  MNT_CHECK: define({
    fallback: "0",
    takes: "0 or 1",
    meaning: "1: print to the log what `check` finds, in place of serving",
    parse: parseWord("0", "1"),
  }),
};

export type VariableName = keyof typeof CONFIG;

/** Number of single-character edits between two words. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, change));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The known variable that a misspelt one was most likely meant to be. */
export function nearestVariable(name: string): VariableName {
  const names = Object.keys(CONFIG) as VariableName[];
  return names.reduce((best, known) =>
    editDistance(name, known) < editDistance(name, best) ? known : best
  );
}
