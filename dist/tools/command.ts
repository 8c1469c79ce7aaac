/**
 * Runs other programs for the tasks: with what they print, a way to stop them, and errors that say enough.
 *
 * @module
 */

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment of the program; left out: ours. */
  readonly environment?: Record<string, string>;
  /** Ends the program with SIGTERM. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

/** A program that could not be started, or ended with another code than 0. */
export class CommandError extends Error {
  override name = "CommandError";
  constructor(
    message: string,
    /** What it printed, stdout and stderr together. */
    readonly lines: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The lines of a stream as they come, the last one also without a newline. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/**
 * Runs a program to its end, with nothing on its stdin, and returns the lines that it printed.
 *
 * @throws {CommandError} where it cannot be started or ends with another code than 0.
 * @throws the reason of `options.signal`, once it was aborted and the program has ended.
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string[]> {
  options.signal?.throwIfAborted();
  const lines: string[] = [];
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const line of linesOf(stream)) {
      lines.push(line);
      options.onLine?.(line);
    }
  };
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.environment === undefined ? {} : { env: options.environment, clearEnv: true }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }).spawn();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "not found" : (error as Error).message;
    throw new CommandError(`Cannot run "${program}": ${why}`, [], { cause: error });
  }
  const [status] = await Promise.all([child.status, read(child.stdout), read(child.stderr)]);
  options.signal?.throwIfAborted();
  if (!status.success) {
    const end = status.signal === null ? `code ${status.code}` : status.signal;
    throw new CommandError(`"${[program, ...args].join(" ")}" ended with ${end}`, lines);
  }
  return lines;
}

/** Where a program of this name lies: in `path`, or where root's programs and Go's usually are. */
export async function findProgram(
  name: string,
  path: string = Deno.env.get("PATH") ?? "",
): Promise<string | undefined> {
  for (const candidate of programCandidates(name, path)) {
    if (await isExecutableFile(candidate)) return candidate;
  }
}

/** Folders that `su` and `sudo` often leave out of PATH. */
const MORE_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin"];

/** The absolute paths at which a program may lie, in order; relative entries of PATH are passed over. */
export function programCandidates(name: string, path: string): string[] {
  const folders = [...path.split(":").filter((folder) => folder.startsWith("/")), ...MORE_FOLDERS];
  return [...new Set(folders)].map((folder) => `${folder.replace(/\/+$/, "")}/${name}`);
}

async function isExecutableFile(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}
