/**
 * Serving: rest-server from its start to its end, and what is done beside it.
 *
 * @module
 */
import { Ahead } from "./ahead.ts";
import { announced } from "./announce.ts";
import { checkServer, removeSocket } from "./preflight.ts";
import { GOKRAZY_STOP_MAX_MS, type MountConfig } from "./config.ts";
import { type Ending, Failure } from "./exit.ts";
import { type LaunchedServer, type LaunchReport, planLaunch } from "./launch.ts";
import type { TargetLock } from "./lock.ts";
import { type Loss, watchDisk } from "./loss.ts";
import { type Mounted, requireOnMount } from "./mount.ts";
import { freeWaiters, isRemote, untilStopped } from "./remote.ts";
import type { SignalName } from "./linux.ts";
import { markProcess, markServer } from "./processes.ts";
import type { Run } from "./run.ts";
import { parseServerArgs, type ServerArgs } from "./server_args.ts";
import { superviseServer } from "./server.ts";
import { FORWARDED_SIGNALS } from "./signals.ts";
import { endSurvivors } from "./survivors.ts";
import { releaseWhenQuiet, syncWhenWritten } from "./watch.ts";
import type { World } from "./world.ts";

/** How rest-server ended, and after which time. */
export interface Served {
  readonly ending: Ending;
  readonly livedMs: number;
  /** The disk was lost: rest-server was ended for that, and is to serve again when the disk is back. */
  readonly lost: boolean;
}

/**
 * Serves on a mount; rest-server has ended when this ends.
 *
 * @throws {Failure} where `--path` is not on the mount, or rest-server could not start.
 * @throws the stop signal's name where one came first.
 */
export async function serveMounted(
  run: Run,
  program: string,
  mount: MountConfig,
  mounted: Mounted,
  lock: TargetLock,
  ahead: Ahead,
): Promise<Served> {
  const { args, directory, signals, world } = run;
  const serverArgs = parseServerArgs(args);
  const prepare = async () => {
    const path = await requireOnMount(mount.path, mounted, world);
    await checkServer(serverArgs, mount.path, directory, world);
    const plan = await planLaunch(program, run.config, serverArgs, mount.path, directory, world);
    return { plan, watched: { ...mount, path } };
  };
  // All of it asks the disk, which can be slow to answer, and can be waited for in vain.
  const prepared = announced(`the first look at "${mount.path}"`, prepare(), world);
  const { plan, watched } = await untilStopped(prepared, signals.stopping);
  signals.stopping.throwIfAborted();

  const { watchMs } = run.config;
  const text = `serving "${mount.path}" from "${mounted.found.source}"`;
  const path = mount.path;
  const launch = () => ahead.take().launch(plan, mounted.rootFd);
  const served = await superviseLaunched(run, serverArgs, launch, (server) => ({
    text,
    path,
    beside: (ended) => {
      void noteServer(server, mounted, lock, world);
      // Not waited for at the end: who unmounts waits for a sync that is under way, as long as is right.
      void syncWhenWritten(mounted, world, ended);
      void releaseWhenQuiet(world, ended);
    },
    watch: (ended) =>
      watchMs === 0 ? Promise.resolve(null) : watchDisk(watched, mounted, watchMs, world, ended),
    onStop: () => mounted.sync(),
    ...(isRemote(mounted)
      ? { onStuck: () => freeWaiters(`process ${server.pid}`, mounted, world) }
      : {}),
  }));
  await endSurvivors(program, lock.path, world);
  if (!served.lost) await removeSocket(serverArgs.listen, directory, world);
  return served;
}

/** Serves without a mount: rest-server as it always was, with the signals and exit codes of this program. */
export async function serve(run: Run, program: string): Promise<Served> {
  const { args, config, directory, signals, world } = run;
  signals.stopping.throwIfAborted();
  world.log.info(
    "no mount is configured (MNT_SOURCE, MNT_TARGET): running rest-server without one",
    { event: "no-mount" },
  );
  const serverArgs = parseServerArgs(args);
  const plan = await planLaunch(program, config, serverArgs, null, directory, world);
  const launch = () => new Ahead(args, null, world).take().launch(plan, null);
  const text = "serving without a mount";
  return await superviseLaunched(run, serverArgs, launch, () => ({ text }));
}

/** What is done while rest-server lives, until `ended` is aborted. */
interface Beside {
  /** What is served, in words. */
  readonly text: string;
  /** `--path`, with a mount. */
  readonly path?: string;
  readonly beside?: (ended: AbortSignal) => void;
  /** Gives the loss of the disk; `null` after `ended`. */
  readonly watch?: (ended: AbortSignal) => Promise<Loss | null>;
  /** Called once, when a stop begins; whoever unmounts waits for what it began. */
  readonly onStop?: () => Promise<unknown>;
  readonly onStuck?: () => void;
}

/**
 * Supervises a server from its launcher on; one that a signal has ended alone is started again.
 *
 * @throws {Failure} where the launcher says why it did not start rest-server.
 */
async function superviseLaunched(
  run: Run,
  serverArgs: ServerArgs,
  launch: () => LaunchedServer,
  besideOf: (server: LaunchedServer) => Beside,
): Promise<Served> {
  for (;;) {
    const server = launch();
    const served = await superviseOnce(run, serverArgs, server, besideOf(server));
    if (served !== null) return served;
  }
}

/** What a signal for the whole process group does to a launcher: the program itself goes on at these. */
function endsLauncherAlone(signal: SignalName): boolean {
  return signal === "SIGUSR1" ||
    FORWARDED_SIGNALS.some(({ name, alone }) => name === signal && alone === "nothing");
}

/** As {@linkcode superviseLaunched}; `null` where the launcher is to be started again. */
async function superviseOnce(
  run: Run,
  serverArgs: ServerArgs,
  server: LaunchedServer,
  { text, path, beside, watch, onStop, onStuck }: Beside,
): Promise<Served | null> {
  const { signals, world } = run;
  const startedMs = world.clock.now();
  const done = new AbortController();
  beside?.(done.signal);
  const launched = sayWarnings(server, world);
  void tellServing(text, path, server, launched, done.signal, world);
  const watching = watch?.(done.signal);
  void watching?.then((loss) => {
    if (loss !== null) world.progress.failed(loss.text);
  });
  const options = {
    ...serveOptions(run, serverArgs),
    ...(watching === undefined ? {} : { lost: watching }),
    onStop: () => {
      world.progress.enter("stopping", "stopping rest-server");
      void onStop?.();
    },
    ...(onStuck === undefined ? {} : { onStuck }),
  };
  const { ending, lost } = await superviseServer(server, signals, options, world);
  done.abort();
  world.progress.note({ server: null });
  await watching;
  const { executed, failure } = await launched;
  if (failure !== null) throw new Failure(failure.kind, failure.message);
  if (!executed && ending.kind === "exited") {
    throw new Failure(
      "busy",
      `Cannot start rest-server: its launcher ended with exit code ${ending.code} before it could; ` +
        "its own lines above say why; check the limits on processes, descriptors and memory",
    );
  }
  if (!executed && !lost && ending.kind === "killed" && endsLauncherAlone(ending.signal)) {
    const text = `${ending.signal} has ended the launcher of rest-server: starting it again`;
    world.log.warn(text, { event: "launch-warning" });
    return null;
  }
  sayEnd(ending, lost, server.pid, world);
  return { ending, livedMs: world.clock.now() - startedMs, lost };
}

/** Says that it serves, as soon as rest-server is what runs, and unless it is over by then. */
async function tellServing(
  text: string,
  path: string | undefined,
  { pid }: LaunchedServer,
  launched: Promise<LaunchReport>,
  ended: AbortSignal,
  world: World,
): Promise<void> {
  const { executed } = await launched;
  const server = await markProcess(pid, world);
  if (!executed || server === undefined || ended.aborted) return;
  const { progress } = world;
  const starts = progress.state.starts + 1;
  if (progress.state.phase === "stopping") progress.note({ server, starts });
  else {
    progress.enter("serving", text, { server, starts });
    const facts = { event: "serving", pid, ...(path === undefined ? {} : { path }) } as const;
    world.log.info(`${text} (process ${pid})`, facts);
  }
}

async function sayWarnings({ launched }: LaunchedServer, world: World): Promise<LaunchReport> {
  const report = await announced("the launch of rest-server", launched, world);
  for (const warning of report.warnings) world.log.warn(warning, { event: "launch-warning" });
  return report;
}

/** Writes into the lock file which rest-server serves, for whoever comes after a kill. */
async function noteServer(
  { pid, launched }: LaunchedServer,
  mounted: Mounted,
  lock: TargetLock,
  world: World,
) {
  const note = async () => {
    const server = await markServer(pid, world);
    await lock.write({
      ...(server === undefined ? {} : { server }),
      ...(mounted.ours ? { mount: mounted.mark } : {}),
    });
  };
  // Twice: until it is launched, another program runs under that pid.
  await note();
  await launched;
  await note();
}

function serveOptions({ config, world }: Run, args: ServerArgs) {
  const stopMs = world.platform === "gokrazy"
    ? Math.min(config.stopMs, GOKRAZY_STOP_MAX_MS)
    : config.stopMs;
  if (stopMs < config.stopMs) {
    world.log.warn(
      `MNT_STOP is cut to ${stopMs / 1000} s: gokrazy kills everything 100 s after SIGTERM`,
      { event: "config-warning" },
    );
  }
  return { stopMs, usesHtpasswd: args.usesHtpasswd };
}

/** @param lost it was ended with its disk, so that how it ended tells nothing. */
function sayEnd(result: Ending, lost: boolean, pid: number, { log }: World): void {
  const facts = { event: "server-ended", pid } as const;
  if (lost) log.info("rest-server has ended", facts);
  else if (result.kind === "stopped") log.info("rest-server has stopped", facts);
  else if (result.kind === "exited") {
    const { code } = result;
    const line = `rest-server ended with exit code ${code}`;
    if (code === 0) log.info(line, { ...facts, code });
    else log.error(`${line}; its own lines above say why`, { ...facts, code });
  } else if (result.kind === "killed") {
    const { signal } = result;
    log.error(`rest-server was ended by ${signal}`, { ...facts, signal });
  }
}
