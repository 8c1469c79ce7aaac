/**
 * Tells systemd, or whoever speaks its protocol, what the program does.
 *
 * @module
 */
import { ERRNO, errnoName } from "./linux.ts";
import {
  type Assignments,
  encodeMessage,
  isReady,
  statusText,
  STILL_STOPPING,
  stoppingMessage,
  watchdogMs,
} from "./notify.ts";
import type { State } from "./progress.ts";
import type { World } from "./world.ts";

/** The socket of `NOTIFY_SOCKET`. */
export interface NotifySocket {
  /** Sends a message without waiting; 0 or errno. */
  send(message: Uint8Array<ArrayBuffer>): number;
  close(): void;
}

/** A full queue is tried again after so long. */
const AGAIN_MS = 100;

/** How often a stop asks for more time, and how long: a slow disk has minutes to write, one that hangs not for ever. */
const STILL_EVERY_MS = 30_000;
const STILL_MAX_MS = 600_000;

/** Tells until {@linkcode Teller.close}. */
class Teller {
  readonly #ended = new AbortController();
  /** What could not be sent yet; a newer value takes the place of an older one. */
  #unsent: Assignments = {};
  #waiting = false;
  #complained = false;
  #ready = false;
  #status = "";

  constructor(
    readonly socket: NotifySocket,
    readonly world: Pick<World, "clock" | "log">,
  ) {}

  tell(assignments: Assignments): void {
    this.#unsent = { ...this.#unsent, ...assignments };
    if (!this.#waiting && !this.#ended.signal.aborted) this.#send();
  }

  tellState(state: State): void {
    const ready = !this.#ready && isReady(state);
    const status = statusText(state);
    if (!ready && status === this.#status) return;
    this.#ready ||= ready;
    this.#status = status;
    this.tell({ ...ready ? { READY: "1" } : {}, STATUS: status });
  }

  /** Signs of life: they come from the event loop, whatever the disk does. */
  async live(everyMs: number): Promise<void> {
    for (;;) {
      await this.world.clock.sleep(everyMs, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      this.tell({ WATCHDOG: "1" });
    }
  }

  /** @param stopMs `MNT_STOP`. */
  async stop(stopMs: number): Promise<void> {
    this.tell(stoppingMessage(stopMs));
    for (let leftMs = stopMs + STILL_MAX_MS; leftMs > 0; leftMs -= STILL_EVERY_MS) {
      await this.world.clock.sleep(STILL_EVERY_MS, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      this.tell(STILL_STOPPING);
    }
  }

  close(): void {
    this.#ended.abort();
    this.socket.close();
  }

  #send(): void {
    const errno = this.socket.send(encodeMessage(this.#unsent));
    if (errno === ERRNO.EAGAIN) return void this.#sendLater();
    this.#unsent = {};
    if (errno === 0 || this.#complained) return;
    this.#complained = true;
    this.world.log.warn(
      `Cannot tell the service manager by NOTIFY_SOCKET: ${errnoName(errno)}; ` +
        "serving goes on without it",
      { event: "config-warning" },
    );
  }

  async #sendLater(): Promise<void> {
    this.#waiting = true;
    await this.world.clock.sleep(AGAIN_MS, this.#ended.signal);
    this.#waiting = false;
    if (!this.#ended.signal.aborted) this.#send();
  }
}

/**
 * Tells each state, the beginning of a stop, and signs of life.
 *
 * @param environment where the manager says how often it wants a sign of life.
 * @param stopMs `MNT_STOP`.
 * @returns ends it, and closes the socket.
 */
export function tellManager(
  socket: NotifySocket,
  environment: Readonly<Record<string, string>>,
  stopMs: number,
  stopping: AbortSignal,
  world: Pick<World, "clock" | "log" | "pid" | "progress">,
): () => void {
  const teller = new Teller(socket, world);
  world.progress.listen((state) => teller.tellState(state));
  const tellStop = () => void teller.stop(stopMs);
  if (stopping.aborted) tellStop();
  else stopping.addEventListener("abort", tellStop, { once: true });
  const everyMs = watchdogMs(environment, world.pid);
  if (everyMs !== null) void teller.live(everyMs);
  return () => teller.close();
}
