/**
 * The program in one line of flow:
 *
 * lock the target -> wait for the disk -> mount -> check -> serve -> unmount -> how it ended
 *
 * @module
 */
import { checkServer } from "./check.ts";
import type { Config, MountConfig } from "./config.ts";
import { SAY_EVERY_MS, waitForSource } from "./devices.ts";
import {
  type Ending,
  EXIT,
  exitCode,
  Failure,
  restartDelayMs,
  SHORT_LIFE_MS,
  withUnmount,
} from "./exit.ts";
import { lockTarget, markProcess, type TargetLock } from "./lock.ts";
import type { Blkid } from "./look.ts";
import { type Mounted, MountError, mountSource, requireOnMount } from "./mount.ts";
import { readTextIfAny, resolveNearest } from "./paths.ts";
import { parseServerArgs, type ServerArgs } from "./server_args.ts";
import { findBlkid, findServer, startServer, superviseServer } from "./server.ts";
import type { Signals } from "./signals.ts";
import { unmount } from "./unmount.ts";
import { releaseWhenQuiet, syncWhenWritten } from "./watch.ts";
import type { ServerProcess, World } from "./world.ts";

/** What one run is about. */
export interface Run {
  readonly config: Config;
  /** rest-server's arguments, as they came. */
  readonly args: readonly string[];
  /** The working directory. */
  readonly directory: string;
  readonly signals: Signals;
  readonly world: World;
}

/** Pauses between attempts to mount grow from the first to the last. */
const FIRST_PAUSE_MS = 1000;
const LAST_PAUSE_MS = 30_000;
/** gokrazy kills everything 100 s after SIGTERM; this leaves time to unmount. */
const GOKRAZY_STOP_MAX_MS = 80_000;

/**
 * Runs the program to its end.
 *
 * @throws {Failure} never: each becomes an ending, after its line in the log.
 */
export async function run(run: Run): Promise<Ending> {
  const { config, world } = run;
  for (const warning of config.warnings) world.log.warn(warning);
  try {
    const server = await findServer(config.server, world);
    return config.mount === null
      ? await serve(run, server)
      : await serveOnMount(run, server, config.mount);
  } catch (error) {
    return ending(error, run);
  }
}

/** A stop while there was nothing to stop is clean; a failure is said and kept; the rest is a defect. */
function ending(error: unknown, { signals, world }: Run): Ending {
  if (signals.stopSignal !== undefined && error === signals.stopSignal) {
    world.log.info(`${signals.stopSignal}: stopped before rest-server was started`);
    return { kind: "stopped", signal: signals.stopSignal };
  }
  if (!(error instanceof Failure)) throw error;
  world.log.error(error.message);
  return { kind: "failed", failure: error.kind };
}

async function serveOnMount(run: Run, server: string, mount: MountConfig): Promise<Ending> {
  const { world } = run;
  const { real: target } = await resolveTarget(mount.target, world);
  const lock = await lockTarget(target, world);
  try {
    const mounted = await mountWhenThere(run, mount, target, lock);
    let unmounted = false;
    let served: Served;
    try {
      served = await serveMounted(run, server, mount, mounted, lock);
    } finally {
      unmounted = await unmount(mounted, world);
    }
    await delayRestart(served, target, run);
    return withUnmount(served.ending, unmounted);
  } finally {
    await lock.release();
  }
}

async function resolveTarget(target: string, world: World) {
  try {
    return await resolveNearest(target, world.files);
  } catch (error) {
    throw new Failure(
      "configuration",
      `Cannot use MNT_TARGET="${target}": ${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}

/** Waits for the disk and mounts it, again and again until `MNT_WAIT` is over. */
async function mountWhenThere(
  { config, signals, world }: Run,
  mount: MountConfig,
  target: string,
  lock: TargetLock,
): Promise<Mounted> {
  const { clock, log } = world;
  const stopping = signals.stopping;
  const needsBlkid = mount.source.kind !== "other" &&
    !(mount.source.kind === "path" && mount.fstype !== null && mount.fstype !== "btrfs");
  const blkid: Blkid = { program: needsBlkid ? await findBlkid(config.blkid, world) : "" };
  const deadlineMs = config.waitMs === null ? Infinity : clock.now() + config.waitMs;
  let pauseMs = FIRST_PAUSE_MS;
  let said = "";
  let saidMs = 0;
  for (;;) {
    const found = await waitForSource(mount, blkid, deadlineMs, world, stopping);
    stopping.throwIfAborted();
    try {
      const mounted = await mountSource(mount, target, found, lock.left, world);
      for (const warning of found.warnings) log.warn(warning);
      if (mounted.ours) await lock.write({ mount: mounted.mark });
      return mounted;
    } catch (error) {
      if (!(error instanceof MountError)) throw error;
      const { retry, kind, text } = error.explanation;
      const remainingMs = deadlineMs - clock.now();
      if (!retry) throw new Failure(kind, text, { cause: error });
      if (remainingMs <= 0) {
        throw new Failure("mount", `${text}; gave up (MNT_WAIT)`, { cause: error });
      }
      if (text !== said || clock.now() - saidMs >= SAY_EVERY_MS) {
        log.warn(`${text}; trying again`);
        said = text;
        saidMs = clock.now();
      }
      await clock.sleep(Math.min(pauseMs, remainingMs), stopping);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }
}

interface Served {
  readonly ending: Ending;
  readonly livedMs: number;
}

/** Serves on a mount. Whatever happens, rest-server has ended when this ends. */
async function serveMounted(
  run: Run,
  program: string,
  mount: MountConfig,
  mounted: Mounted,
  lock: TargetLock,
): Promise<Served> {
  const { args, directory, signals, world } = run;
  const serverArgs = parseServerArgs(args);
  try {
    await requireOnMount(mount.path, mounted, world);
    await checkServer(serverArgs, mount.path, directory, world);
    signals.stopping.throwIfAborted();
  } catch (error) {
    return { ending: ending(error, run), livedMs: 0 };
  }

  let server: ServerProcess;
  world.locks.inherit(lock.fd, true);
  try {
    server = startServer(program, args, world);
  } catch (error) {
    return { ending: ending(error, run), livedMs: 0 };
  } finally {
    world.locks.inherit(lock.fd, false);
  }

  const startedMs = world.clock.now();
  const done = new AbortController();
  const beside: Promise<unknown>[] = [
    noteServer(server.pid, mounted, lock, world),
    syncWhenWritten(mounted, world, done.signal),
    releaseWhenQuiet(world, done.signal),
  ];
  const result = await superviseServer(server, signals, {
    ...serveOptions(run, serverArgs),
    onStop: () => beside.push(mounted.sync()),
  }, world);
  done.abort();
  await Promise.all(beside);
  sayEnd(result, world);
  return { ending: result, livedMs: world.clock.now() - startedMs };
}

/** Writes into the lock file which rest-server serves, for whoever comes after a kill. */
async function noteServer(pid: number, mounted: Mounted, lock: TargetLock, world: World) {
  const server = await markProcess(pid, world);
  const record = {
    ...(server === undefined ? {} : { server }),
    ...(mounted.ours ? { mount: mounted.mark } : {}),
  };
  await lock.write(record);
}

/** Serves without a mount: rest-server as it always was, with the signals and exit codes of this program. */
async function serve(run: Run, program: string): Promise<Ending> {
  const { args, signals, world } = run;
  signals.stopping.throwIfAborted();
  world.log.info(
    "no mount is configured (MNT_SOURCE, MNT_TARGET): running rest-server without one",
  );
  const startedMs = world.clock.now();
  const server = startServer(program, args, world);
  const result = await superviseServer(
    server,
    signals,
    serveOptions(run, parseServerArgs(args)),
    world,
  );
  sayEnd(result, world);
  await delayRestart({ ending: result, livedMs: world.clock.now() - startedMs }, "no mount", run);
  return result;
}

function serveOptions({ config, world }: Run, args: ServerArgs) {
  const stopMs = world.platform === "gokrazy"
    ? Math.min(config.stopMs, GOKRAZY_STOP_MAX_MS)
    : config.stopMs;
  if (stopMs < config.stopMs) {
    world.log.warn(
      `MNT_STOP is cut to ${stopMs / 1000} s: gokrazy kills everything 100 s after SIGTERM`,
    );
  }
  return { stopMs, usesHtpasswd: args.usesHtpasswd };
}

function sayEnd(result: Ending, world: World): void {
  if (result.kind === "stopped") world.log.info("rest-server has stopped");
  if (result.kind === "exited") {
    const line = `rest-server ended with exit code ${result.code}`;
    if (result.code === 0) world.log.info(line);
    else world.log.error(`${line}; its own lines above say why`);
  }
  if (result.kind === "killed") world.log.error(`rest-server was ended by ${result.signal}`);
}

/**
 * Holds the exit back on gokrazy, which would at once start again a rest-server that hardly lived, and
 * with it mount and unmount the disk each second.
 */
async function delayRestart(served: Served, name: string, run: Run): Promise<void> {
  const { signals, world: { platform, runDirectory, files, log, clock } } = run;
  const ends = exitCode(served.ending, platform) === EXIT.configuration.gokrazy;
  if (platform !== "gokrazy" || ends || signals.stopping.aborted) return;
  const path = `${runDirectory}/${encodeURIComponent(name).slice(0, 200)}.restarts`;
  if (served.livedMs >= SHORT_LIFE_MS) return await files.remove(path).catch(() => {});
  const count = (Number(await readTextIfAny(path, files)) || 0) + 1;
  await files.writeText(path, String(count)).catch(() => {});
  const delayMs = restartDelayMs(count);
  log.warn(
    `rest-server lived less than ${SHORT_LIFE_MS / 1000} s, ${count} times in a row: ` +
      `waiting ${delayMs / 1000} s before the exit`,
  );
  await clock.sleep(delayMs, signals.stopping);
}
