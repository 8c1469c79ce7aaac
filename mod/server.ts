/**
 * Finding rest-server, starting it, passing signals on, stopping it.
 *
 * @module
 */
import { REMIND_AFTER_MS, speaking } from "./announce.ts";
import { type Ending, Failure, judgeServer } from "./exit.ts";
import type { LaunchedServer } from "./launch.ts";
import type { SignalName } from "./linux.ts";
import type { Loss } from "./loss.ts";
import { FORWARDED_SIGNALS, type Signals } from "./signals.ts";
import type { ServerProcess, World } from "./world.ts";

/** `e_machine` of the ELF files that each kernel runs, from `include/uapi/linux/elf-em.h`. */
const ELF_MACHINES = { x86_64: [62, 3], aarch64: [183, 40] } as const;

/**
 * Why a kernel would refuse to execute a file with ENOEXEC; the spawn would then hand it to /bin/sh, with
 * strange results. What cannot be read is left to the kernel.
 */
async function formatFault(path: string, world: World): Promise<string | undefined> {
  const head = await world.files.readAt(path, 0, 20).catch(() => undefined);
  if (head === undefined || (head[0] === 0x23 && head[1] === 0x21)) return undefined;
  const isElf = [0x7f, 0x45, 0x4c, 0x46].every((byte, i) => head[i] === byte);
  if (!isElf || head.length < 20) return "it is neither a program nor a script; build it anew";
  const machine = head[18]! | (head[19]! << 8);
  const machines: readonly number[] = ELF_MACHINES[Deno.build.arch];
  return machines.includes(machine)
    ? undefined
    : `it is built for another machine (e_machine ${machine}), not for ${Deno.build.arch}; ` +
      "get one for this machine";
}

/**
 * Finds a program: a path as it is, a name in the directories of PATH, without a given one the usual
 * places first.
 *
 * @throws {Failure} "not found" or "not executable", with every place that was tried.
 */
export async function findProgram(
  name: string,
  given: string | null,
  usualPath: string,
  variable: string,
  world: World,
): Promise<string> {
  const wanted = given ?? name;
  const inPath = [...new Set(world.path.split(":"))].filter((directory) =>
    directory.startsWith("/")
  )
    .map((directory) => `${directory}/${wanted}`);
  const candidates = wanted.includes("/")
    ? [wanted]
    : given === null
    ? [usualPath, ...inPath]
    : inPath;
  let unusable: { path: string; fault: string } | undefined;
  for (const candidate of candidates) {
    const facts = await world.files.stat(candidate).catch(() => null);
    if (facts === null) continue;
    const fault = facts.kind === "file" && facts.executable
      ? await formatFault(candidate, world)
      : "it is not an executable file; chmod +x it";
    if (fault === undefined) return candidate;
    unusable ??= { path: candidate, fault };
  }
  if (unusable !== undefined) {
    throw new Failure(
      "not executable",
      `Cannot run ${name} "${unusable.path}": ${unusable.fault}, or set ${variable}`,
    );
  }
  const tried = candidates.map((path) => `"${path}"`).join(", ");
  throw new Failure(
    "not found",
    `Cannot find ${name}: ${
      tried === "" ? `no PATH to look up "${wanted}" in` : `tried ${tried}`
    }; ` +
      `install it, or set ${variable} to its path`,
  );
}

/** rest-server, found. */
export function findServer(given: string | null, world: World): Promise<string> {
  return findProgram("rest-server", given, "/user/rest-server", "MNT_SERVER", world);
}

/** blkid, found; a missing one is a fault of the configuration. */
export async function findBlkid(given: string | null, world: World): Promise<string> {
  try {
    return await findProgram("blkid", given, "/usr/local/bin/blkid", "MNT_BLKID", world);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      "configuration",
      `${error.message}, or name the disk by its path and set MNT_FSTYPE`,
      { cause: error },
    );
  }
}

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

  function send(signal: SignalName): void {
    sent.add(signal);
    server.kill(signal);
  }

  /** The launcher would die of it: it is kept until rest-server is what runs. */
  async function pass(signal: SignalName): Promise<void> {
    await server.launched;
    send(signal);
  }

  /** SIGKILL once the time is over, however it gets over. */
  async function killLater(stopMs: number): Promise<void> {
    await clock.sleep(stopMs, AbortSignal.any([ended.signal, signals.hurrying]));
    if (ended.signal.aborted) return;
    const why = signals.hurrying.aborted
      ? "a second SIGINT asked for it"
      : `it did not stop within ${stopMs / 1000} s${lost ? "" : " (MNT_STOP)"}`;
    const { pid } = server;
    log.warn(`killing rest-server (process ${pid}): ${why}`, { event: "killing", why, pid });
    send("SIGKILL");
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
    else if (action === "pass" || (action === "reload" && options.usesHtpasswd)) pass(signal);
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
