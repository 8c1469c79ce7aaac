/**
 * Supervising rest-server: passing signals on, stopping it.
 *
 * @module
 */
import { REMIND_AFTER_MS, speaking } from "./announce.ts";
import { type Ending, judgeServer } from "./exit.ts";
import type { LaunchedServer } from "./launch.ts";
import type { SignalName } from "./linux.ts";
import type { Loss } from "./loss.ts";
import { FORWARDED_SIGNALS, type Signals } from "./signals.ts";
import { untilTaken } from "./take_signal.ts";
import type { ServerProcess, World } from "./world.ts";

/** How long a signal of the process group can take to get here after it has ended rest-server, also on a slow Pi. */
const SAME_SIGNAL_MS = 1000;

/** How a server is supervised. */
export interface ServeOptions {
  /** Time between the stop signal and SIGKILL. */
  readonly stopMs: number;
  /** Whether SIGHUP makes it read `.htpasswd` again; else it would die of it. */
  readonly usesHtpasswd: boolean;
  /** Called once, when a stop begins. */
  readonly onStop?: () => void;
  /** Called where SIGKILL does not end it, so that whatever it hangs in can be ended. */
  readonly onStuck?: () => void;
  /** Resolves with the loss of the disk, or with `null` where it never was lost. */
  readonly lost?: Promise<Loss | null>;
}

/** How rest-server ended, and whether that was because its disk was lost. */
export interface Supervised {
  readonly ending: Ending;
  readonly lost: boolean;
}

/** rest-server cannot finish anything without its disk. */
const LOST_STOP_MS = 2000;
/** A process that SIGKILL has not ended by then hangs in a call of the kernel. */
const STUCK_MS = 5000;

/** rest-server, from its launcher on or as it is. */
type Server = ServerProcess & Partial<Pick<LaunchedServer, "launched">>;

/**
 * Passes signals on to rest-server until it ends, and judges its end. After a stop signal it gets
 * `stopMs`, then SIGKILL; a second SIGINT cuts the wait.
 */
export async function superviseServer(
  server: Server,
  signals: Signals,
  options: ServeOptions,
  world: World,
): Promise<Supervised> {
  return await new Supervision(server, signals, options, world).run();
}

/** One rest-server until its end. */
class Supervision {
  /** Signals that it was sent. */
  readonly #sent = new Set<SignalName>();
  /** Aborted once it has ended. */
  readonly #ended = new AbortController();
  readonly #launchedMs: Promise<number>;
  /** What ends it, once a stop or a loss has begun. */
  #killing: Promise<void> | undefined;
  #lost = false;
  #running = true;

  constructor(
    readonly server: Server,
    readonly signals: Signals,
    readonly options: ServeOptions,
    readonly world: World,
  ) {
    this.#launchedMs = Promise.resolve(server.launched).then(() => world.clock.now());
  }

  async run(): Promise<Supervised> {
    const { server, signals, options, world } = this;
    const unlisten = signals.listen((signal) => this.#take(signal));
    void options.lost?.then((loss) => {
      if (loss !== null && this.#killing === undefined && this.#running) this.#beginLoss(loss);
    });
    try {
      if (signals.stopSignal !== undefined) this.#beginStop(signals.stopSignal);
      const status = await server.status;
      this.#running = false;
      // Ctrl-C, and each signal of gokrazy, goes to the whole process group: our own copy of it can be a
      // moment behind rest-server's clean end. One that we ended with its lost disk did not end by it; to
      // wait there would keep the disk from coming back, and swallow a SIGQUIT, which then means stop.
      const unasked = status.code === 0 || status.signal === "SIGINT" ||
        status.signal === "SIGTERM";
      if (unasked && !this.#lost) await world.clock.sleep(SAME_SIGNAL_MS, signals.stopping);
      return { ending: judgeServer(status, signals.stopSignal, this.#sent), lost: this.#lost };
    } finally {
      this.#ended.abort();
      unlisten();
      await this.#killing;
    }
  }

  #take(signal: SignalName): void {
    const action = FORWARDED_SIGNALS.find(({ name }) => name === signal)?.action;
    if (action === "stop" && this.#killing === undefined) this.#beginStop(signal);
    else if (action === "pass") void this.#pass(signal, false);
    else if (action === "reload" && this.options.usesHtpasswd) void this.#pass(signal, true);
  }

  #send(signal: SignalName): void {
    this.#sent.add(signal);
    this.server.kill(signal);
  }

  /** Kept until it does to rest-server what it is meant to do. */
  async #pass(signal: SignalName, reloads: boolean): Promise<void> {
    const { server, world } = this;
    const { signal: ended } = this.#ended;
    await untilTaken(signal, reloads, server.pid, await this.#launchedMs, world, ended);
    if (!ended.aborted) this.#send(signal);
  }

  #beginStop(signal: SignalName): void {
    const { server: { pid }, options, world } = this;
    const facts = { event: "stopping", signal, pid } as const;
    world.log.info(`${signal}: stopping rest-server (process ${pid})`, facts);
    options.onStop?.();
    // With no time to give, the gentle signal would only race with SIGKILL.
    if (options.stopMs > 0) this.#send(signal);
    this.#killing = this.#killLater(options.stopMs);
  }

  /** What is written by now is lost, and waiting for it would only keep the disk from coming back. */
  #beginLoss({ text, why, kernel }: Loss): void {
    const { pid } = this.server;
    const facts = { event: "lost", why, kernel, pid } as const;
    this.world.log.error(`${text}; stopping rest-server (process ${pid})`, facts);
    this.#lost = true;
    this.#send("SIGTERM");
    this.#killing = this.#killLater(LOST_STOP_MS);
  }

  /** SIGKILL once the time is over, however it gets over. */
  async #killLater(stopMs: number): Promise<void> {
    const { server: { pid, status }, signals, world: { clock, log } } = this;
    await clock.sleep(stopMs, AbortSignal.any([this.#ended.signal, signals.hurrying]));
    if (this.#ended.signal.aborted) return;
    const why = signals.hurrying.aborted
      ? "a second SIGINT asked for it"
      : `it did not stop within ${stopMs / 1000} s${this.#lost ? "" : " (MNT_STOP)"}`;
    // Sent first: who reads the line can rely on it.
    this.#send("SIGKILL");
    log.warn(`killing rest-server (process ${pid}): ${why}`, { event: "killing", why, pid });
    const freeing = this.#freeLater();
    const say = (seconds: number) =>
      log.warn(
        `rest-server (process ${pid}) has not ended ${seconds} s after SIGKILL: it hangs in the ` +
          "kernel, as on a disk that does not answer; waiting for it",
        { event: "server-hangs", seconds, pid },
      );
    const gone = status.then(() => {}, () => {});
    await speaking(gone, REMIND_AFTER_MS, say, this.world);
    await freeing;
  }

  /** Once a page is given up on, it can hang in the next one. */
  async #freeLater(): Promise<void> {
    const { options: { onStuck }, world } = this;
    for (let pauseMs = STUCK_MS; onStuck !== undefined; pauseMs *= 2) {
      await world.clock.sleep(pauseMs, this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      onStuck();
    }
  }
}
