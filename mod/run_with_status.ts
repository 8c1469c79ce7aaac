/**
 * A run, with the status file beside it.
 *
 * @module
 */
import { type Ending, messageOf } from "./exit.ts";
import { type Run, run } from "./run.ts";
// Not later: Deno panics where it compiles a module and no descriptor is left.
import { keepStatus } from "./status_file.ts";

/** From so long after the start on there is a status file: it is not to make the start longer. */
const STATUS_AFTER_MS = 1000;

/** After the run its file is waited for no longer than this. */
const LAST_WRITE_MS = 2000;

/**
 * Runs, and keeps the status file.
 *
 * @param directory chooses where the file lies.
 * @param bootMs milliseconds since boot.
 */
export async function runWithStatus(
  parts: Run,
  directory: () => Promise<string>,
  bootMs: () => number,
): Promise<Ending> {
  const { config, world } = parts;
  const over = new AbortController();
  const running = run(parts).finally(() => over.abort());
  const ending = running.catch(() => null);
  const keep = async () => {
    await world.clock.sleep(STATUS_AFTER_MS, over.signal);
    // A short run that went well has nothing to tell.
    if (over.signal.aborted && (await ending)?.kind === "stopped") return;
    const mounts = config.mount !== null;
    await keepStatus({ mounts, directory, ending, now: bootMs, world });
  };
  const keeping = keep()
    .catch((error) => {
      const why = messageOf(error);
      world.log.warn(`Cannot keep a status file: ${why}`, { event: "file-failed", why });
    });
  try {
    return await running;
  } finally {
    await Promise.race([keeping, world.clock.sleep(LAST_WRITE_MS)]);
  }
}
