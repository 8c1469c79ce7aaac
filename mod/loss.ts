/**
 * Watching the disk while rest-server serves from it.
 *
 * @module
 */
import { ANNOUNCE_EVERY_MS, SAY_EVERY_MS } from "./announce.ts";
import type { MountConfig } from "./config.ts";
import { messageOf } from "./exit.ts";
import { kernelMessages } from "./kmsg.ts";
import type { Mounted } from "./mount.ts";
import { type Findings, probe } from "./probe.ts";
import type { World } from "./world.ts";

/**
 * Waits for a probe, and says after {@linkcode ANNOUNCE_EVERY_MS} and then each minute that it hangs.
 *
 * @returns `null` once `ended` is aborted: a hanging probe is left to itself, for nothing can end it.
 */
async function patiently<T>(
  call: Promise<T>,
  source: string,
  world: World,
  ended: AbortSignal,
): Promise<T | null> {
  const { clock, log } = world;
  const answered = new AbortController();
  const over = AbortSignal.any([answered.signal, ended]);
  const startMs = clock.now();
  const seconds = () => Math.round((clock.now() - startMs) / 1000);
  const say = async (): Promise<null> => {
    for (let pauseMs = ANNOUNCE_EVERY_MS;; pauseMs = SAY_EVERY_MS) {
      await clock.sleep(pauseMs, over);
      if (over.aborted) return null;
      log.warn(
        `"${source}" has not answered for ${seconds()} s: it hangs; see its cable and the kernel log`,
      );
    }
  };
  const saying = say();
  try {
    return await Promise.race([call, saying]);
  } finally {
    answered.abort();
    await saying;
    if (!ended.aborted && seconds() * 1000 >= ANNOUNCE_EVERY_MS) {
      log.info(`"${source}" answers again after ${seconds()} s`);
    }
  }
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
