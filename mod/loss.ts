/**
 * Watching the disk while rest-server serves from it.
 *
 * @module
 */
import { ANNOUNCE_EVERY_MS, SAY_EVERY_MS, speaking } from "./announce.ts";
import type { MountConfig } from "./config.ts";
import { messageOf } from "./exit.ts";
import { kernelMessages } from "./kmsg.ts";
import type { Mounted } from "./mount.ts";
import { type Findings, probe } from "./probe.ts";
import type { World } from "./world.ts";

/** Waits for a probe, and says that it hangs; `null` once `ended` is aborted, for nothing else can end that. */
async function patiently<T>(
  call: Promise<T>,
  source: string,
  world: World,
  ended: AbortSignal,
): Promise<T | null> {
  const { clock, log } = world;
  const startMs = clock.now();
  const say = (seconds: number) =>
    log.warn(
      `"${source}" has not answered for ${seconds} s: it hangs; see its cable and the kernel log`,
    );
  const result = await speaking(call, [ANNOUNCE_EVERY_MS, SAY_EVERY_MS], say, world, ended);
  const tookMs = clock.now() - startMs;
  if (!ended.aborted && tookMs >= ANNOUNCE_EVERY_MS) {
    log.info(`"${source}" answers again after ${Math.round(tookMs / 1000)} s`);
  }
  return result;
}

/**
 * Looks at the disk each `everyMs`, one look at a time, and says each trouble once.
 *
 * @param ended ends the watch.
 * @returns why the disk is lost, with the kernel's own lines; `null` when the watch was ended.
 */
export async function watchDisk(
  mount: MountConfig,
  mounted: Mounted,
  everyMs: number,
  world: World,
  ended: AbortSignal,
): Promise<string | null> {
  const { clock, log } = world;
  const { source } = mounted.found;
  const kernelLog = world.openKernelLog();
  const said = new Set<string>();
  const withKernel = (text: string) => {
    const lines = kernelMessages(kernelLog?.read() ?? []);
    return lines.length === 0 ? text : `${text}; kernel: ${lines.join(" | ")}`;
  };
  try {
    for (;;) {
      await clock.sleep(everyMs, ended);
      if (ended.aborted) return null;
      const look = probe(mount, mounted, world).catch((error): Findings => // No descriptor left, /proc not readable: that says nothing about the disk.
      ({ lost: null, troubles: [`Cannot look at "${source}": ${messageOf(error)}`] }));
      const findings = await patiently(look, source, world, ended);
      if (findings === null) return null;
      if (findings.lost !== null) return withKernel(`"${source}" is lost: ${findings.lost}`);
      for (const trouble of findings.troubles) {
        if (!said.has(trouble)) log.error(withKernel(trouble));
        said.add(trouble);
      }
    }
  } finally {
    kernelLog?.close();
  }
}
