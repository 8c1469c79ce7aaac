/**
 * Holding the exit back where the supervisor above starts again without limit.
 *
 * @module
 */
import { EXIT, exitCode, restartDelayMs, SHORT_LIFE_MS } from "./exit.ts";
import { readTextIfAny } from "./paths.ts";
import type { Run } from "./run.ts";
import type { Served } from "./serve.ts";

/**
 * Holds the exit back on gokrazy, which would at once start again what hardly lived: it would mount and
 * unmount the disk each second, and flush a log of 100 lines in a minute.
 *
 * @param what hardly lived.
 */
export async function delayRestart(
  served: Served,
  name: string,
  run: Run,
  what: "rest-server" | "this run" = "rest-server",
): Promise<void> {
  const { signals, world: { platform, runDirectory, files, log, clock, progress } } = run;
  const ends = exitCode(served.ending, platform) === EXIT.configuration.gokrazy;
  if (platform !== "gokrazy" || ends || signals.stopping.aborted) return;
  const path = `${runDirectory}/${encodeURIComponent(name).slice(0, 200)}.restarts`;
  if (served.livedMs >= SHORT_LIFE_MS) return await files.remove(path).catch(() => {});
  const count = (Number(await readTextIfAny(path, files)) || 0) + 1;
  await files.writeText(path, String(count)).catch(() => {});
  const delayMs = restartDelayMs(count);
  const text = `${what} lived less than ${SHORT_LIFE_MS / 1000} s, ${count} times in a row: ` +
    `waiting ${delayMs / 1000} s before the exit`;
  log.warn(text, { event: "restart-delayed", count, seconds: delayMs / 1000 });
  progress.enter("waiting", text);
  await clock.sleep(delayMs, signals.stopping);
}

/** Waits before a lost disk is looked for again: one that is lost as soon as it serves must not flap. */
export async function waitAfterLoss(count: number, { signals, world }: Run): Promise<void> {
  world.progress.enter(
    "waiting",
    "waiting for the disk; it is served again as soon as it is back",
  );
  await world.clock.sleep(restartDelayMs(count), signals.stopping);
}
