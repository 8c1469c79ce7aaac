/**
 * The program itself as a child of the demo: started, awaited, stopped.
 *
 * @module
 */
import { CommandError, linesOf } from "../tools/command.ts";
import { parseListening } from "./demo_plan.ts";

const READY_MS = 60_000;
/** More than the program's own MNT_STOP in the demo, plus an unmount. */
const STOP_MS = 30_000;
/** For the last lines of a program that has ended. */
const READ_MS = 2_000;

/** The running program. */
export class DemoProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #read: Promise<unknown>;
  readonly #address = Promise.withResolvers<string>();
  readonly #ended = new AbortController();
  #stopping = false;

  /** Starts it; `onLine` gets each line that it and its rest-server print. */
  constructor(
    main: string,
    args: readonly string[],
    environment: Record<string, string>,
    onLine: (line: string) => void,
  ) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-code-cache", main, ...args],
      env: environment,
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const line of linesOf(stream)) {
        this.#lines.push(line);
        onLine(line);
        const address = parseListening(line);
        if (address !== undefined) this.#address.resolve(address);
      }
    };
    this.#read = Promise.all([read(this.#child.stdout), read(this.#child.stderr)]);
    this.#child.status.then(async ({ code }) => {
      if (this.#stopping) return;
      await this.#lastLines();
      this.#ended.abort(this.#error(`the program ended by itself with code ${code}`));
    });
  }

  /** Aborted where it ends without having been told to; the reason says with which code. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  #error(message: string): CommandError {
    return new CommandError(message, this.#lines);
  }

  /** A rest-server that outlived the program would hold the pipes for ever: demo.ts kills it, later. */
  async #lastLines(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, READ_MS);
    await Promise.race([this.#read, late.promise]);
    clearTimeout(timer);
  }

  /** The address on which rest-server listens, once it does. */
  async ready(signal: AbortSignal): Promise<string> {
    const late = new AbortController();
    const message = `the program does not serve after ${READY_MS / 1000} s`;
    const timer = setTimeout(() => late.abort(this.#error(message)), READY_MS);
    try {
      const given = aborted(AbortSignal.any([signal, this.ended, late.signal]));
      return await Promise.race([
        this.#address.promise,
        given.then((reason) => Promise.reject(reason)),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for a signal while it serves. @throws {CommandError} where it ends before. */
  async serveUntil(signal: AbortSignal): Promise<void> {
    await aborted(AbortSignal.any([signal, this.ended]));
    this.ended.throwIfAborted();
  }

  /** Sends SIGTERM and waits for its end. @throws {CommandError} where it does not end. */
  async #end(): Promise<Deno.CommandStatus> {
    this.ended.throwIfAborted();
    this.#stopping = true;
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has just ended by itself: its code tells.
    }
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.kill("SIGKILL");
    }, STOP_MS);
    const status = await this.#child.status;
    clearTimeout(timer);
    await this.#lastLines();
    if (late) throw this.#error(`the program did not stop in ${STOP_MS / 1000} s`);
    return status;
  }

  /** Stops it. @throws {CommandError} where it ends with another code than 0, or not at all. */
  async stop(): Promise<void> {
    const { code } = await this.#end();
    if (code !== 0) throw this.#error(`the program stopped with code ${code}, not 0`);
  }

  /** Stops it where it still runs: after a failure, or an interruption at any moment of its start. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping || this.ended.aborted) return;
    const { code, signal } = await this.#end();
    // Before it listens for signals it has mounted nothing, and SIGTERM just ends it.
    if (code !== 0 && signal !== "SIGTERM") {
      throw this.#error(`the program stopped with code ${code}, not 0`);
    }
  }
}

/** Waits until a signal is aborted, and returns its reason. */
function aborted(signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  if (signal.aborted) resolve(signal.reason);
  signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  return promise;
}
