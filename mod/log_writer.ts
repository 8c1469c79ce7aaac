/**
 * Writing lines to whoever reads them, or does not.
 *
 * @module
 */
import type { Clock } from "./world.ts";

/** Lines that wait for a reader that does not read; beyond this the oldest are dropped and counted. */
const QUEUE_MAX_LINES = 1000;

/** A stderr that does not block and is full is tried again after so long. */
const FULL_PAUSE_MS = 20;

/** Writes lines in order without ever blocking the caller. */
export class LineWriter {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  #queue: string[] = [];
  #dropped = 0;
  #draining = false;
  #writing: Promise<void> | undefined;
  readonly #notice: (dropped: number) => string;
  readonly #clock: Clock;

  constructor(
    write: (bytes: Uint8Array) => Promise<number>,
    notice: (dropped: number) => string,
    clock: Clock,
  ) {
    this.#write = write;
    this.#notice = notice;
    this.#clock = clock;
  }

  put(line: string): void {
    if (this.#queue.length >= QUEUE_MAX_LINES) {
      this.#queue.shift();
      this.#dropped++;
    }
    this.#queue.push(line);
    if (!this.#draining) this.#writing = this.#drain();
  }

  /** Ends when every line is written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      if (this.#dropped > 0) lines.unshift(this.#notice(this.#dropped));
      this.#dropped = 0;
      let bytes = new TextEncoder().encode(lines.join("\n") + "\n");
      while (bytes.length > 0) {
        try {
          bytes = bytes.subarray(await this.#write(bytes));
        } catch (error) {
          // Nobody reads stderr any more; serving goes on.
          if (!(error instanceof Deno.errors.WouldBlock)) break;
          // Somebody else made it non-blocking (open(2), O_NONBLOCK), and it is full.
          await this.#clock.sleep(FULL_PAUSE_MS);
        }
      }
    }
    // In the same breath as the last look at the queue: a line that comes now begins anew.
    this.#draining = false;
  }
}
