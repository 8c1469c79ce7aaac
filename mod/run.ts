/**
 * The program in one line of flow:
 *
 * lock the target -> wait for the disk -> mount -> check -> serve -> unmount -> how it ended
 *                          ^                                 |
 *                          +------ disk lost: detach --------+
 *
 * @module
 */
import { Ahead } from "./ahead.ts";
import { needsBlkid } from "./ask_blkid.ts";
import type { Config, MountConfig } from "./config.ts";
import {
  type Ending,
  EXIT,
  Failure,
  fileFailure,
  messageOf,
  SHORT_LIFE_MS,
  withUnmount,
} from "./exit.ts";
import { findBlkid, findServer } from "./find_program.ts";
import { lockTarget, type TargetLock } from "./lock.ts";
import type { Mounted } from "./mount.ts";
import { mountWhenThere } from "./mount_retry.ts";
import { resolveNearest } from "./paths.ts";
import { delayRestart, waitAfterLoss } from "./restart.ts";
import { serve, type Served, serveMounted } from "./serve.ts";
import type { Signals } from "./signals.ts";
import { detach, sayLeft, unmount } from "./unmount.ts";
import type { World } from "./world.ts";

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

/**
 * Runs the program to its end.
 *
 * @throws {Failure} never: each becomes an ending, after its line in the log.
 */
export async function run(run: Run): Promise<Ending> {
  const { config, world } = run;
  const startMs = world.clock.now();
  for (const warning of config.warnings) world.log.warn(warning, { event: "config-warning" });
  try {
    return config.mount === null
      ? await serveWithoutMount(run)
      : await serveOnMount(run, config.mount);
  } catch (error) {
    const failed = {
      ending: ending(error, run),
      livedMs: world.clock.now() - startMs,
      lost: false,
    };
    await delayRestart(failed, config.mount?.target ?? "no mount", run, "this run");
    return failed.ending;
  }
}

async function serveOnMount(run: Run, mount: MountConfig): Promise<Ending> {
  const target = await resolveTarget(mount.target, run.world);
  const { progress } = run.world;
  const lock = await lockTarget(target, run.world, run.signals.stopping);
  // Not before: the status of a target is that of the run that has its lock.
  progress.note({ source: mount.source.text, target });
  const left: Mounted[] = [];
  try {
    await using ahead = new Ahead(run.args, lock, run.world);
    ahead.begin();
    const programs = await findPrograms(run.config, mount, run.world);
    for (let losses = 1;; losses++) {
      const once = await serveOnce(run, programs, mount, target, lock, ahead);
      const { served, mounted, unmounted } = once;
      if (!served.lost) {
        await delayRestart(served, target, run);
        return withUnmount(served.ending, unmounted && !await sayLeft(left, run.world));
      }
      if (!unmounted) left.push(mounted);
      progress.note({ losses: progress.state.losses + 1 });
      if (served.livedMs >= SHORT_LIFE_MS) losses = 1;
      await waitAfterLoss(losses, run);
    }
  } catch (error) {
    // A stop while the disk is waited for is not clean where a mount of ours is still there.
    if (error !== run.signals.stopSignal || !await sayLeft(left, run.world)) throw error;
    return withUnmount(ending(error, run), false);
  } finally {
    await lock.release();
  }
}

/** What is run, by path. */
interface FoundPrograms {
  readonly server: string;
  /** "" where nothing has to be asked of it. */
  readonly blkid: string;
}

async function findPrograms(
  config: Config,
  mount: MountConfig,
  world: World,
): Promise<FoundPrograms> {
  const [server, blkid] = await Promise.all([
    findServer(config.server, world),
    needsBlkid(mount) ? findBlkid(config.blkid, world) : "",
  ]);
  return { server, blkid };
}

/** From the wait for the disk to its unmount, or to its loss; `unmounted`: nothing of ours is left of it. */
async function serveOnce(
  run: Run,
  { server, blkid }: FoundPrograms,
  mount: MountConfig,
  target: string,
  lock: TargetLock,
  ahead: Ahead,
): Promise<{ readonly served: Served; readonly mounted: Mounted; readonly unmounted: boolean }> {
  const mounted = await mountWhenThere(run, mount, blkid, target, lock, ahead);
  let served: Served | undefined;
  let unmounted = false;
  try {
    served = await serveMounted(run, server, mount, mounted, lock, ahead);
  } catch (error) {
    served = { ending: ending(error, run), livedMs: 0, lost: false };
  } finally {
    unmounted = served?.lost ? await detach(mounted, run.world) : await unmount(mounted, run.world);
  }
  return { served, mounted, unmounted };
}

async function serveWithoutMount(run: Run): Promise<Ending> {
  const server = await findServer(run.config.server, run.world);
  const served = await serve(run, server);
  await delayRestart(served, "no mount", run);
  return served.ending;
}

/** A stop while there was nothing to stop is clean; a failure is said and kept; the rest is a defect. */
function ending(error: unknown, { signals, world }: Run): Ending {
  if (signals.stopSignal !== undefined && error === signals.stopSignal) {
    const signal = signals.stopSignal;
    world.log.info(`${signal}: stopped; rest-server was not running`, {
      event: "stopping",
      signal,
    });
    return { kind: "stopped", signal };
  }
  if (!(error instanceof Failure)) throw error;
  const { kind, message } = error;
  const exit_code = EXIT[kind][world.platform];
  world.log.error(message, { event: "failed", kind, exit_code });
  world.progress.failed(message);
  return { kind: "failed", failure: kind };
}

/** The target without symlinks: the name by which the kernel and the lock know it. */
async function resolveTarget(target: string, world: World): Promise<string> {
  try {
    return (await resolveNearest(target, world.files)).real;
  } catch (error) {
    throw new Failure(
      fileFailure(error),
      `Cannot use MNT_TARGET="${target}": ${messageOf(error)}; ` +
        "check its symlinks, or set another directory",
      { cause: error },
    );
  }
}
