/**
 * The wrapper's configuration: `MNT_*` variables in, one {@linkcode Config} or one list of errors out.
 *
 * @module
 */
import { type MountOptions, parseMountOptions } from "./mount_options.ts";
import { isBelow } from "./mountinfo.ts";
import { hideOwnSecrets, maskSecrets } from "./secrets.ts";
import { resolvePath, type ServerArgs } from "./server_args.ts";
import { parseSource, type SourceSpec } from "./source.ts";

/** gokrazy kills everything 100 s after SIGTERM; the most of `MNT_STOP` that leaves time to unmount. */
export const GOKRAZY_STOP_MAX_MS = 80_000;

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
const DATA_MAX_BYTES = 4095;

function parseSeconds(text: string): number {
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
type Value<N extends VariableName> = ReturnType<typeof CONFIG[N]["parse"]>;

/** The mount that is asked for. */
export interface MountConfig {
  readonly source: SourceSpec;
  /** Absolute, without `.`, `..` and doubled slashes; symlinks not resolved. */
  readonly target: string;
  /** `null`: what blkid says. */
  readonly fstype: string | null;
  readonly flags: number;
  /** The options' own data and `MNT_DATA`, joined. */
  readonly data: string;
  /** rest-server's `--path`, absolute; it lies below the target as text. Beside faults: "" where it is not given. */
  readonly path: string;
  /** Whose the files are on a file system that keeps no owners; `null`: the program's own user. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

export interface Config {
  /** `null`: rest-server runs without a mount. */
  readonly mount: MountConfig | null;
  /** `null`: no limit. */
  readonly waitMs: number | null;
  readonly stopMs: number;
  readonly watchMs: number;
  readonly user: MountConfig["user"];
  readonly sandbox: boolean;
  readonly server: string | null;
  readonly blkid: string | null;
  readonly log: "text" | "json";
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

/** A variable's value and the file it came from; no file: the environment. */
export interface Setting {
  readonly value: string;
  readonly file?: string;
}
export type Settings = ReadonlyMap<string, Setting>;

/** A configuration that cannot be used: every fault at once, one line each. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
    this.problems = problems;
  }
}

/** The `MNT_*` variables of a file and of the environment, which wins. */
export function mergeSettings(
  environment: Readonly<Record<string, string>>,
  file?: { readonly path: string; readonly variables: Readonly<Record<string, string>> },
): Settings {
  const settings = new Map<string, Setting>();
  for (const [name, value] of Object.entries(file?.variables ?? {})) {
    if (name.startsWith("MNT_")) settings.set(name, { value, file: file!.path });
  }
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith("MNT_")) settings.set(name, { value });
  }
  return settings;
}

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

/** A value as an error shows it. Its secrets go first: of one that is cut in two nobody could tell any more. */
/** A UUID of a file system as blkid prints it, of vfat and exfat, too. */
const LIKE_UUID = /^([\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{4}-[\da-f]{4})$/i;

function quote(text: string): string {
  const shown = hideOwnSecrets(text);
  return JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}...` : shown);
}

function isKnown(name: string): name is VariableName {
  return Object.hasOwn(CONFIG, name);
}

/** Whether `MNT_CHECK` asks for a check in place of serving. */
export function wantsCheck(settings: Settings): boolean {
  return settings.get("MNT_CHECK")?.value === "1";
}

/**
 * Checks all settings together.
 *
 * @param settings from {@linkcode mergeSettings}; an empty value counts as unset.
 * @param server rest-server's arguments, for `--path`.
 * @param directory the working directory, which a relative `--path` is resolved against.
 * @throws {ConfigError} with every fault that was found.
 */
export function parseConfig(settings: Settings, server: ServerArgs, directory: string): Config {
  const { config, problems } = readConfig(settings, server, directory);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** A configuration as far as it can be understood, and all its faults. */
export interface ReadConfig {
  /** Beside faults, the defaults stand where a value cannot be used, and no mount where its half is missing. */
  readonly config: Config;
  readonly problems: readonly string[];
  /** Whether a mount was asked for. */
  readonly mountWanted: boolean;
}

/** {@linkcode parseConfig} for whoever wants to know more than the faults. */
export function readConfig(
  settings: Settings,
  server: ServerArgs,
  directory: string,
): ReadConfig {
  const problems: string[] = [];
  const warnings: string[] = [];

  function read<N extends VariableName>(name: N): Value<N> | null {
    const setting = settings.get(name);
    if (setting === undefined || setting.value === "") return null;
    try {
      // A file can hold one; every system call would see another text.
      if (setting.value.includes("\0")) throw new RangeError("it holds a zero byte");
      return CONFIG[name].parse(setting.value) as Value<N>;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const from = setting.file === undefined ? "" : ` from "${setting.file}"`;
      const shown = name === "MNT_DATA" || name === "MNT_OPTIONS"
        ? maskSecrets(setting.value)
        : setting.value;
      problems.push(
        `Cannot use ${name}=${quote(shown)}${from}: ${error.message}; ` +
          `takes ${CONFIG[name].takes}`,
      );
      return null;
    }
  }
  const isSet = (name: VariableName) => (settings.get(name)?.value ?? "") !== "";

  const source = read("MNT_SOURCE");
  const target = read("MNT_TARGET");
  const fstype = read("MNT_FSTYPE");
  const data = read("MNT_DATA") ?? "";
  const options = isSet("MNT_OPTIONS")
    ? read("MNT_OPTIONS")
    : parseMountOptions(CONFIG.MNT_OPTIONS.fallback);
  const waitMs = read("MNT_WAIT");
  const stopMs = read("MNT_STOP") ?? parseSeconds(CONFIG.MNT_STOP.fallback);
  const watchMs = read("MNT_WATCH") ?? parseSeconds(CONFIG.MNT_WATCH.fallback);
  const user = read("MNT_USER");
  const sandbox = read("MNT_SANDBOX") !== "off";
  const serverProgram = read("MNT_SERVER");
  const blkid = read("MNT_BLKID");
  const log = read("MNT_LOG") ?? "text";
  read("MNT_CHECK");

  const mountWanted = isSet("MNT_SOURCE") || isSet("MNT_TARGET") || isSet("MNT_FSTYPE");
  if (mountWanted) {
    for (const name of ["MNT_SOURCE", "MNT_TARGET"] as const) {
      if (!isSet(name)) {
        problems.push(`Cannot mount: ${name} is not set; takes ${CONFIG[name].takes}`);
      }
    }
    const known = isSet("MNT_FSTYPE") && settings.get("MNT_FSTYPE")!.value !== "auto";
    if (source?.kind === "other" && !known) {
      problems.push(
        `Cannot mount ${quote(source.text)}: it is no device, so MNT_FSTYPE must say what it is; ` +
          (LIKE_UUID.test(source.text)
            ? `a disk is named with its tag: MNT_SOURCE=UUID=${source.text}`
            : `takes ${CONFIG.MNT_FSTYPE.takes}; a disk is /dev/NAME or a tag such as UUID=...`),
      );
    }
  } else {
    for (const name of ["MNT_DATA", "MNT_OPTIONS", "MNT_WAIT"] as const) {
      if (isSet(name)) {
        warnings.push(`${name} has no effect: MNT_SOURCE and MNT_TARGET are not set`);
      }
    }
  }
  const joined = [options?.data ?? "", data].filter((part) => part !== "").join(",");
  const joinedBytes = new TextEncoder().encode(joined).length;
  if (joinedBytes > DATA_MAX_BYTES && new TextEncoder().encode(data).length <= DATA_MAX_BYTES) {
    problems.push(
      `Cannot use MNT_OPTIONS with MNT_DATA: ${joinedBytes} bytes of data, ` +
        `the kernel takes ${DATA_MAX_BYTES}`,
    );
  }

  const path = server.path === undefined ? undefined : resolvePath(server.path, directory);
  if (mountWanted && path === undefined) {
    problems.push(
      "Cannot serve: --path is not given, and rest-server's own default, /tmp/restic, is not on the " +
        `disk; add --path ${target ?? "TARGET"}/restic`,
    );
  } else if (path !== undefined && target !== null && !isBelow(path, target)) {
    problems.push(
      `Cannot serve --path ${quote(server.path!)}: it does not lie below MNT_TARGET="${target}", ` +
        `so backups would not go to the disk; give a directory such as ${target}/restic`,
    );
  }

  for (const name of settings.keys()) {
    if (isKnown(name)) continue;
    const from = settings.get(name)?.file;
    const line = `Unknown variable ${name}${from === undefined ? "" : ` from "${from}"`}: ` +
      `the nearest known one is ${nearestVariable(name)}`;
    if (mountWanted) warnings.push(line);
    else problems.push(`${line}; no mount is configured, so this is not ignored`);
  }

  const config: Config = {
    mount: mountWanted && source !== null && target !== null
      ? {
        source,
        target,
        fstype,
        flags: (options ?? parseMountOptions(CONFIG.MNT_OPTIONS.fallback)).flags,
        data: joined,
        path: path ?? "",
        user,
      }
      : null,
    waitMs,
    stopMs,
    watchMs,
    user,
    sandbox,
    server: serverProgram,
    blkid,
    log,
    warnings,
  };
  return { config, problems, mountWanted };
}

/**
 * Parses `flags.txt`: one argument a line, taken as it stands. Blank lines and lines that begin with
 * `#` are left out.
 *
 * @throws {ConfigError} for a zero byte, which no argument can hold.
 */
export function parseFlagsFile(text: string): string[] {
  if (text.includes("\0")) {
    throw new ConfigError(["Cannot use flags.txt: it holds a zero byte, which no argument can"]);
  }
  return text.split("\n")
    .map((line) => line.replace(/\r$/, ""))
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
}
