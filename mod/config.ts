/**
 * The wrapper's configuration: `MNT_*` variables in, one {@linkcode Config} or one list of errors out.
 *
 * @module
 */
import { parseMountOptions } from "./mount_options.ts";
import { isBelow } from "./mountinfo.ts";
import { hideOwnSecrets, maskSecrets } from "./secrets.ts";
import { resolvePath, type ServerArgs } from "./server_args.ts";
import type { SourceSpec } from "./source.ts";
import {
  CONFIG,
  DATA_MAX_BYTES,
  nearestVariable,
  parseSeconds,
  type VariableName,
} from "./variables.ts";

/** gokrazy kills everything 100 s after SIGTERM; the most of `MNT_STOP` that leaves time to unmount. */
export const GOKRAZY_STOP_MAX_MS = 80_000;

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

/** A UUID of a file system as blkid prints it, of vfat and exfat, too. */
const LIKE_UUID = /^([\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{4}-[\da-f]{4})$/i;

/** A value as an error shows it. Its secrets go first: of one that is cut in two nobody could tell any more. */
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

/** Whether a variable is set and not empty. */
function isSet(name: VariableName, settings: Settings): boolean {
  return (settings.get(name)?.value ?? "") !== "";
}

type Value<N extends VariableName> = ReturnType<typeof CONFIG[N]["parse"]>;

/** The value of a variable; `null` where it is unset, empty, or added to the faults. */
function readValue<N extends VariableName>(
  name: N,
  settings: Settings,
  problems: string[],
): Value<N> | null {
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
      `Cannot use ${name}=${quote(shown)}${from}: ${error.message}; takes ${CONFIG[name].takes}`,
    );
    return null;
  }
}

/** What is missing for a mount. */
function mountFaults(source: SourceSpec | null, settings: Settings): string[] {
  const faults = (["MNT_SOURCE", "MNT_TARGET"] as const)
    .filter((name) => !isSet(name, settings))
    .map((name) => `Cannot mount: ${name} is not set; takes ${CONFIG[name].takes}`);
  const known = isSet("MNT_FSTYPE", settings) && settings.get("MNT_FSTYPE")!.value !== "auto";
  if (source?.kind !== "other" || known) return faults;
  return [
    ...faults,
    `Cannot mount ${quote(source.text)}: it is no device, so MNT_FSTYPE must say what it is; ` +
    (LIKE_UUID.test(source.text)
      ? `a disk is named with its tag: MNT_SOURCE=UUID=${source.text}`
      : `takes ${CONFIG.MNT_FSTYPE.takes}; a disk is /dev/NAME or a tag such as UUID=...`),
  ];
}

/** Options and data that the kernel takes alone, but not together. */
function dataFaults(joined: string, data: string): string[] {
  const bytesOf = (text: string) => new TextEncoder().encode(text).length;
  if (bytesOf(joined) <= DATA_MAX_BYTES || bytesOf(data) > DATA_MAX_BYTES) return [];
  return [
    `Cannot use MNT_OPTIONS with MNT_DATA: ${bytesOf(joined)} bytes of data, ` +
    `the kernel takes ${DATA_MAX_BYTES}`,
  ];
}

/** Where `--path` does not lie on the disk. */
function pathFaults(
  given: string | undefined,
  path: string | undefined,
  target: string | null,
  mountWanted: boolean,
): string[] {
  if (path === undefined) {
    return !mountWanted ? [] : [
      "Cannot serve: --path is not given, and rest-server's own default, /tmp/restic, is not on the " +
      `disk; add --path ${target ?? "TARGET"}/restic`,
    ];
  }
  if (target === null || isBelow(path, target)) return [];
  return [
    `Cannot serve --path ${quote(given!)}: it does not lie below MNT_TARGET="${target}", ` +
    `so backups would not go to the disk; give a directory such as ${target}/restic`,
  ];
}

/** A line for each variable that nobody knows. */
function unknownVariables(settings: Settings): string[] {
  return [...settings].filter(([name]) => !isKnown(name)).map(([name, { file }]) =>
    `Unknown variable ${name}${file === undefined ? "" : ` from "${file}"`}: ` +
    `the nearest known one is ${nearestVariable(name)}`
  );
}

/** {@linkcode parseConfig} for whoever wants to know more than the faults. */
export function readConfig(
  settings: Settings,
  server: ServerArgs,
  directory: string,
): ReadConfig {
  const problems: string[] = [];
  const warnings: string[] = [];
  const read = <N extends VariableName>(name: N) => readValue(name, settings, problems);

  const source = read("MNT_SOURCE");
  const target = read("MNT_TARGET");
  const fstype = read("MNT_FSTYPE");
  const data = read("MNT_DATA") ?? "";
  const defaultOptions = parseMountOptions(CONFIG.MNT_OPTIONS.fallback);
  const options = isSet("MNT_OPTIONS", settings) ? read("MNT_OPTIONS") : defaultOptions;
  const waitMs = read("MNT_WAIT");
  const stopMs = read("MNT_STOP") ?? parseSeconds(CONFIG.MNT_STOP.fallback);
  const watchMs = read("MNT_WATCH") ?? parseSeconds(CONFIG.MNT_WATCH.fallback);
  const user = read("MNT_USER");
  const sandbox = read("MNT_SANDBOX") !== "off";
  const serverProgram = read("MNT_SERVER");
  const blkid = read("MNT_BLKID");
  const log = read("MNT_LOG") ?? "text";
  read("MNT_CHECK");

  const mountWanted = (["MNT_SOURCE", "MNT_TARGET", "MNT_FSTYPE"] as const)
    .some((name) => isSet(name, settings));
  if (mountWanted) problems.push(...mountFaults(source, settings));
  else {
    const idle = (["MNT_DATA", "MNT_OPTIONS", "MNT_WAIT"] as const)
      .filter((name) => isSet(name, settings));
    for (const name of idle) {
      warnings.push(`${name} has no effect: MNT_SOURCE and MNT_TARGET are not set`);
    }
  }
  const joined = [options?.data ?? "", data].filter((part) => part !== "").join(",");
  problems.push(...dataFaults(joined, data));
  const path = server.path === undefined ? undefined : resolvePath(server.path, directory);
  problems.push(...pathFaults(server.path, path, target, mountWanted));
  for (const line of unknownVariables(settings)) {
    const cure =
      "correct or unset it: no mount is configured, and a typo must not send backups to memory";
    if (mountWanted) warnings.push(line);
    else problems.push(`${line}; ${cure}`);
  }

  const { flags } = options ?? defaultOptions;
  const mount = mountWanted && source !== null && target !== null
    ? { source, target, fstype, flags, data: joined, path: path ?? "", user }
    : null;
  const programs = { server: serverProgram, blkid };
  const config = { mount, waitMs, stopMs, watchMs, user, sandbox, ...programs, log, warnings };
  return { config, problems, mountWanted };
}
