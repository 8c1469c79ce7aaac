/**
 * What `deno task install` puts where, and what it does about what is there already.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** Where the units in dist/systemd/ look for the program and its settings. */
const SHIPPED = { program: "/usr/local/bin/restic-rest-server", config: "/etc/default" } as const;
/** Prefixes whose settings are in /etc, and whose units systemd finds. */
const SYSTEM_PREFIXES: readonly string[] = ["/usr", "/usr/local"];

export const UNITS = ["restic-rest-server.service", "restic-rest-server-hardened.service"] as const;

/** Where everything goes. */
export interface Layout {
  readonly prefix: string;
  readonly program: string;
  /** What belongs to the program alone. */
  readonly library: string;
  readonly units: string;
  readonly config: string;
  readonly manual: string;
  /** What was installed, for the next install and for the uninstall. */
  readonly record: string;
  /** Whether systemd looks for units there. */
  readonly system: boolean;
}

export function layoutOf(prefix: string): Layout {
  const system = SYSTEM_PREFIXES.includes(prefix);
  const library = `${prefix}/lib/restic-rest-server`;
  return {
    prefix,
    program: `${prefix}/bin/restic-rest-server`,
    library,
    units: `${prefix}/lib/systemd/system`,
    config: `${system ? "" : prefix}${SHIPPED.config}/restic-rest-server`,
    manual: `${prefix}/share/man/man8/restic-rest-server.8`,
    record: `${library}/installed.json`,
    system,
  };
}

/** A unit, or the settings, with the paths of a layout. */
export function withPaths(text: string, { program, config }: Layout): string {
  return text.replaceAll(SHIPPED.program, program)
    .replaceAll(`${SHIPPED.config}/restic-rest-server`, config);
}

/**
 * The prefix of a command line, without a slash at its end.
 *
 * @throws {SyntaxError} that says what is wrong, where the usage line is the answer.
 */
export function parsePrefix(args: readonly string[]): string {
  let prefix;
  try {
    const options = { prefix: { type: "string" } } as const;
    ({ values: { prefix } } = parseArgs({ args: [...args], options, allowPositionals: false }));
  } catch (error) {
    throw new SyntaxError((error as Error).message.split(". ")[0]!);
  }
  prefix ??= "/usr/local";
  // It goes into a unit and into the first line of a script, which know no quotes.
  if (!/^\/[\w./+-]+$/.test(prefix)) {
    throw new SyntaxError(`--prefix takes an absolute path of plain characters, not "${prefix}"`);
  }
  return prefix.replace(/\/+$/, "");
}

/** What is done about one file. */
export type Step =
  /** Nothing is there. */
  | "new"
  /** It is there already, to the byte. */
  | "same"
  /** What an earlier install put there makes room. */
  | "update"
  /** Settings that somebody made are kept, and the new ones come beside them. */
  | "keep"
  /** Settings that somebody made are kept, and nothing new has come since they were installed. */
  | "own"
  /** Somebody else's file is kept beside it. */
  | "replace";

/** Digests of a file: as it is there, as it is to be, and as it was installed last. */
export interface Digests {
  readonly there: string | undefined;
  readonly wanted: string;
  readonly installed: string | undefined;
}

export function stepFor({ there, wanted, installed }: Digests, isConfig: boolean): Step {
  if (there === undefined) return "new";
  if (there === wanted) return "same";
  if (there === installed) return "update";
  if (!isConfig) return "replace";
  return wanted === installed ? "own" : "keep";
}

/** What an install has written down. */
export interface InstallRecord {
  /** By path, the SHA-256 of what was put there. */
  readonly files: Readonly<Record<string, string>>;
  /** Directories that it made, parents first. */
  readonly directories: readonly string[];
}

/**
 * Reads a record.
 *
 * @throws {SyntaxError} for what no install has written.
 */
export function parseRecord(text: string): InstallRecord {
  const record = JSON.parse(text) as Partial<InstallRecord> | null;
  const { files, directories } = record ?? {};
  const whole = typeof files === "object" && files !== null && Array.isArray(directories) &&
    [...Object.keys(files), ...Object.values(files), ...directories].every((entry) =>
      typeof entry === "string"
    );
  if (!whole) throw new SyntaxError("it is not the record of an install");
  return { files, directories };
}
