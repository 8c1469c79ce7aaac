/**
 * Watching the disk while rest-server serves from it.
 *
 * @module
 */
import { ANNOUNCE_EVERY_MS, SAY_EVERY_MS } from "./announce.ts";
import type { MountConfig } from "./config.ts";
import { kernelMessages } from "./kmsg.ts";
import type { Mounted } from "./mount.ts";
import { type Findings, probe } from "./probe.ts";
import type { World } from "./world.ts";

/** Says that a probe hangs, after {@linkcode ANNOUNCE_EVERY_MS} and then each minute, until it ends. */
async function patiently<T>(call: Promise<T>, source: string, world: World): Promise<T> {
  const { clock, log } = world;
  const ended = new AbortController();
  const startMs = clock.now();
  const seconds = () => Math.round((clock.now() - startMs) / 1000);
  let said = false;
  const say = async () => {
    for (let pauseMs = ANNOUNCE_EVERY_MS;; pauseMs = SAY_EVERY_MS) {
      await clock.sleep(pauseMs, ended.signal);
      if (ended.signal.aborted) return;
      said = true;
      log.warn(
        `"${source}" has not answered for ${seconds()} s: it hangs; see its cable and the kernel log`,
      );
    }
  };
  const saying = say();
  try {
    return await call;
  } finally {
    ended.abort();
    await saying;
    if (said) log.info(`"${source}" answers again after ${seconds()} s`);
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
      const over = Promise.withResolvers<null>();
      const end = () => over.resolve(null);
      ended.addEventListener("abort", end);
      const look = patiently(probe(mount, mounted, world), source, world);
      // A hanging probe must not hold the end; it is left to itself then.
      const findings: Findings | null = await Promise.race([look, over.promise]);
      ended.removeEventListener("abort", end);
      if (findings === null) {
        look.catch(() => {});
        return null;
      }
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
