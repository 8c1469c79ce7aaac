/**
 * The real program as a child process.
 *
 * @module
 */
import { within } from "./wait.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** Names another program to test, such as the bundle that goes into gokrazy's image. */
export const PROGRAM_VARIABLE = "TEST_PROGRAM";

/** The command line that runs the program: as `deno task start` does, where no other one is named. */
export const PROGRAM: readonly string[] = Deno.env.has(PROGRAM_VARIABLE)
  ? [Deno.env.get(PROGRAM_VARIABLE)!]
  : [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-code-cache", MAIN];

/** Lines of a stream as they come. */
class Lines {
  readonly all: string[] = [];
  readonly ended: Promise<void>;
  #wake = Promise.withResolvers<void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const put = (lines: string[]) => {
      this.all.push(...lines);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    };
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      put(lines);
    }
    put(rest === "" ? [] : [rest]);
  }

  async find(pattern: RegExp, from: number): Promise<RegExpExecArray> {
    let ended = false;
    const end = this.ended.then(() => ended = true);
    for (let next = from;;) {
      for (; next < this.all.length; next++) {
        const match = pattern.exec(this.all[next]!);
        if (match !== null) return match;
      }
      if (ended) throw new Error(`no line ${pattern} among:\n${this.all.join("\n")}`);
      await Promise.race([this.#wake.promise, end]);
    }
  }
}

export interface WrapperOptions {
  /** rest-server's arguments. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Put in front of the command line, such as `unshare`. */
  readonly prefix?: readonly string[];
}

/** A running wrapper; `await using` ends it with SIGTERM, then SIGKILL, if the test did not. */
export class Wrapper implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #out: Lines;
  readonly #err: Lines;
  /** Exit code and signal, once stdout and stderr are read to their ends. */
  readonly status: Promise<Deno.CommandStatus>;

  constructor({ args, env = {}, cwd, prefix = [] }: WrapperOptions) {
    const [program, ...rest] = [...prefix, ...PROGRAM, ...args];
    this.#child = new Deno.Command(program!, {
      args: rest,
      env,
      ...(cwd === undefined ? {} : { cwd }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#out = new Lines(this.#child.stdout);
    this.#err = new Lines(this.#child.stderr);
    this.status = Promise.all([this.#child.status, this.#out.ended, this.#err.ended])
      .then(([status]) => status);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Lines of stderr so far. */
  get errLines(): readonly string[] {
    return this.#err.all;
  }

  /** Lines of stdout so far. */
  get outLines(): readonly string[] {
    return this.#out.all;
  }

  /** Waits for a line of stderr, among those from number `from` on. */
  errLine(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return within(this.#err.find(pattern, from), `line ${pattern} on stderr`);
  }

  /** Waits for a line of stdout. */
  outLine(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return within(this.#out.find(pattern, from), `line ${pattern} on stdout`);
  }

  /** Waits until the real rest-server listens; gives `host:port`. */
  async listening(): Promise<string> {
    return (await this.errLine(/^start server on (.*)$/))[1]!;
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end; gives the exit code. */
  async code(): Promise<number> {
    const missing = () => `end of process ${this.pid}:\n${this.errLines.join("\n")}`;
    return (await within(this.status, missing)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    try {
      await within(this.status, "end after SIGTERM", 15_000);
    } catch {
      this.#child.kill("SIGKILL");
      await this.status;
    }
    // Without a mount, this is what an unclean end leaves.
    await Deno.remove(`/run/restic-rest-server/pid-${this.pid}.status`).catch(() => {});
  }
}

/** Starts the program. */
export function startWrapper(options: WrapperOptions): Wrapper {
  return new Wrapper(options);
}
