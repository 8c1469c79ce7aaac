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

/**
 * Passes signals on to rest-server until it ends, and judges its end. After a stop signal it gets
 * `stopMs`, then SIGKILL; a second SIGINT cuts the wait.
 */
export async function superviseServer(
  server: ServerProcess & Partial<Pick<LaunchedServer, "launched">>,
  signals: Signals,
  options: ServeOptions,
  world: World,
): Promise<Supervised> {
  const { log, clock } = world;
  const sent = new Set<SignalName>();
  const ended = new AbortController();
  const gone = server.status.then(() => {}, () => {});
  let killing: Promise<void> | undefined;
  let lost = false;
  let running = true;
  const launchedMs = Promise.resolve(server.launched).then(() => clock.now());

  function send(signal: SignalName): void {
    sent.add(signal);
    server.kill(signal);
  }

  /** Kept until it does to rest-server what it is meant to do. */
  async function pass(signal: SignalName, reloads: boolean): Promise<void> {
    await untilTaken(signal, reloads, server.pid, await launchedMs, world, ended.signal);
    if (!ended.signal.aborted) send(signal);
  }

  /** SIGKILL once the time is over, however it gets over. */
  async function killLater(stopMs: number): Promise<void> {
    await clock.sleep(stopMs, AbortSignal.any([ended.signal, signals.hurrying]));
    if (ended.signal.aborted) return;
    const why = signals.hurrying.aborted
      ? "a second SIGINT asked for it"
      : `it did not stop within ${stopMs / 1000} s${lost ? "" : " (MNT_STOP)"}`;
    const { pid } = server;
    // Sent first: who reads the line can rely on it.
    send("SIGKILL");
    log.warn(`killing rest-server (process ${pid}): ${why}`, { event: "killing", why, pid });
    const freeing = freeLater();
    const say = (seconds: number) =>
      log.warn(
        `rest-server (process ${pid}) has not ended ${seconds} s after SIGKILL: it hangs in the ` +
          "kernel, as on a disk that does not answer; waiting for it",
        { event: "server-hangs", seconds, pid },
      );
    await speaking(gone, REMIND_AFTER_MS, say, world);
    await freeing;
  }

  /** Once a page is given up on, it can hang in the next one. */
  async function freeLater(): Promise<void> {
    for (let pauseMs = STUCK_MS; options.onStuck !== undefined; pauseMs *= 2) {
      await clock.sleep(pauseMs, ended.signal);
      if (ended.signal.aborted) return;
      options.onStuck();
    }
  }

  function beginStop(signal: SignalName): void {
    const { pid } = server;
    log.info(`${signal}: stopping rest-server (process ${pid})`, {
      event: "stopping",
      signal,
      pid,
    });
    options.onStop?.();
    // With no time to give, the gentle signal would only race with SIGKILL.
    if (options.stopMs > 0) send(signal);
    killing = killLater(options.stopMs);
  }

  /** What is written by now is lost, and waiting for it would only keep the disk from coming back. */
  function beginLoss({ text, why, kernel }: Loss): void {
    const { pid } = server;
    const facts = { event: "lost", why, kernel, pid } as const;
    log.error(`${text}; stopping rest-server (process ${pid})`, facts);
    lost = true;
    send("SIGTERM");
    killing = killLater(LOST_STOP_MS);
  }

  function take(signal: SignalName): void {
    const action = FORWARDED_SIGNALS.find(({ name }) => name === signal)?.action;
    if (action === "stop" && killing === undefined) beginStop(signal);
    else if (action === "pass") void pass(signal, false);
    else if (action === "reload" && options.usesHtpasswd) void pass(signal, true);
  }

  const unlisten = signals.listen(take);
  void options.lost?.then((loss) => {
    if (loss !== null && killing === undefined && running) beginLoss(loss);
  });
  try {
    if (signals.stopSignal !== undefined) beginStop(signals.stopSignal);
    const status = await server.status;
    running = false;
    // Ctrl-C, and each signal of gokrazy, goes to the whole process group: our own copy of it can be a
    // moment behind rest-server's clean end. One that we ended with its lost disk did not end by it; to wait
    // there would keep the disk from coming back, and swallow a SIGQUIT, which then means stop.
    const unasked = status.code === 0 || status.signal === "SIGINT" || status.signal === "SIGTERM";
    if (unasked && !lost) {
      await clock.sleep(SAME_SIGNAL_MS, signals.stopping);
    }
    return { ending: judgeServer(status, signals.stopSignal, sent), lost };
  } finally {
    ended.abort();
    unlisten();
    await killing;
  }
}
