/**
 * `env/restic-rest-server/env.txt` and `flags/restic-rest-server/flags.txt` below `MNT_CONFIG_DIR`.
 *
 * @module
 */
import { ConfigError } from "./config.ts";
import { messageOf } from "./exit.ts";
import type { Files } from "./world.ts";

/** What the two files hold. */
export interface ConfigFiles {
  /** Path of the file with the variables. */
  readonly path: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Path of the file with the arguments. */
  readonly flagsPath: string;
  readonly args: readonly string[];
}

async function readIfThere(path: string, files: Files): Promise<string | undefined> {
  try {
    const kind = (await files.stat(path))?.kind;
    // Whoever opens a FIFO that nobody writes to waits for ever.
    if (kind !== undefined && kind !== "file") throw new Error("it is not a file");
    return await files.readText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new ConfigError([
      `Cannot read "${path}" of MNT_CONFIG_DIR: ${messageOf(error)}; make it a readable file`,
    ], { cause: error });
  }
}

/**
 * Reads both files; one of them may be missing.
 *
 * @throws {ConfigError} where neither is there, or one cannot be read.
 */
export async function readConfigDirectory(directory: string, files: Files): Promise<ConfigFiles> {
  const path = `${directory}/env/restic-rest-server/env.txt`;
  const flagsPath = `${directory}/flags/restic-rest-server/flags.txt`;
  const [text, flags] = await Promise.all([
    readIfThere(path, files),
    readIfThere(flagsPath, files),
  ]);
  if (text === undefined && flags === undefined) {
    throw new ConfigError([
      `Cannot use MNT_CONFIG_DIR="${directory}": neither "${path}" nor "${flagsPath}" is there; ` +
      "make one of them, or unset MNT_CONFIG_DIR",
    ]);
  }
  // node:util adds 15 ms to the start, so only a start that needs it pays.
  const { parseEnv } = await import("node:util");
  return {
    path,
    variables: text === undefined ? {} : { ...parseEnv(text) } as Record<string, string>,
    flagsPath,
    args: flags === undefined ? [] : parseFlagsFile(flags),
  };
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
