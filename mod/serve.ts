/**
 * Serving: rest-server from its start to its end, and what is done beside it.
 *
 * @module
 */
import { checkServer } from "./check.ts";
import type { MountConfig } from "./config.ts";
import type { Ending } from "./exit.ts";
import { markProcess, type TargetLock } from "./lock.ts";
import { type Mounted, requireOnMount } from "./mount.ts";
import type { Run } from "./run.ts";
import { parseServerArgs, type ServerArgs } from "./server_args.ts";
import { startServer, superviseServer } from "./server.ts";
import { releaseWhenQuiet, syncWhenWritten } from "./watch.ts";
import type { ServerProcess, World } from "./world.ts";

/** gokrazy kills everything 100 s after SIGTERM; this leaves time to unmount. */
const GOKRAZY_STOP_MAX_MS = 80_000;

/** How rest-server ended, and after which time. */
export interface Served {
  readonly ending: Ending;
  readonly livedMs: number;
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
): Promise<Served> {
  const { args, directory, signals, world } = run;
  const serverArgs = parseServerArgs(args);
  await requireOnMount(mount.path, mounted, world);
  await checkServer(serverArgs, mount.path, directory, world);
  signals.stopping.throwIfAborted();

  let server: ServerProcess;
  world.locks.inherit(lock.fd, true);
  try {
    server = startServer(program, args, world);
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
export async function serve(run: Run, program: string): Promise<Served> {
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
  return { ending: result, livedMs: world.clock.now() - startedMs };
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
