/**
 * Watching the disk while rest-server serves from it.
 *
 * @module
 */
import { HANGS_AFTER_MS, speaking } from "./announce.ts";
import type { MountConfig } from "./config.ts";
import { kernelNames } from "./disks.ts";
import { messageOf } from "./exit.ts";
import { kernelMessages } from "./kmsg.ts";
import type { Mounted } from "./mount.ts";
import { probe, type ProbeResult } from "./probe.ts";
import { isRemote } from "./remote.ts";
import type { World } from "./world.ts";

/** A disk that is gone. */
export interface Loss {
  /** One line: which disk, why, and the kernel's own words. */
  readonly text: string;
  readonly why: string;
  readonly kernel: readonly string[];
}

/** Waits for a probe, and says that it hangs; `null` once `ended` is aborted, for nothing else can end that. */
async function patiently(
  call: Promise<ProbeResult>,
  mounted: Mounted,
  world: World,
  ended: AbortSignal,
): Promise<ProbeResult | null> {
  const { source, otherMembers } = mounted.found;
  const { clock, log } = world;
  const startMs = clock.now();
  const devices = [source, ...otherMembers];
  const cause = isRemote(mounted) ? "the network and the server" : "its cable and the kernel log";
  const say = (seconds: number) =>
    log.warn(
      `"${source}" has not answered for ${seconds} s: it hangs; check ${cause}`,
      { event: "disk-hangs", seconds, devices },
    );
  const result = await speaking(call, HANGS_AFTER_MS, say, world, ended);
  const tookMs = clock.now() - startMs;
  if (result?.lost === null && tookMs >= HANGS_AFTER_MS) {
    const seconds = Math.round(tookMs / 1000);
    const facts = { event: "disk-answers", seconds, devices } as const;
    log.info(`"${source}" answers again after ${seconds} s`, facts);
  }
  return result;
}

/**
 * Looks at the disk each `everyMs`, one look at a time, and says each trouble when it comes.
 *
 * @param ended ends the watch.
 * @returns the loss of the disk; `null` when the watch was ended.
 */
export async function watchDisk(
  mount: MountConfig,
  mounted: Mounted,
  everyMs: number,
  world: World,
  ended: AbortSignal,
): Promise<Loss | null> {
  const { clock, log, progress } = world;
  const { source } = mounted.found;
  const kernelLog = world.openKernelLog();
  // Now: of a disk that is gone nobody can ask any more.
  const about = { names: await kernelNames(mounted.found, world), fstype: mounted.info.fsType };
  // No descriptor left, /proc not readable: that says nothing about the disk.
  const notLooked = (error: unknown): ProbeResult => ({
    lost: null,
    troubles: [`Cannot look at "${source}": ${messageOf(error)}`],
  });
  let before: readonly string[] = [];
  const withKernel = (text: string, why: string): Loss => {
    const kernel = kernelMessages(kernelLog?.read() ?? [], { about });
    const words = kernel.length === 0 ? "" : `; kernel: ${kernel.join(" | ")}`;
    return { text: text + words, why, kernel };
  };
  try {
    for (;;) {
      await clock.sleep(everyMs, ended);
      if (ended.aborted) return null;
      const look = probe(mount, mounted, world).catch(notLooked);
      const findings = await patiently(look, mounted, world, ended);
      if (findings === null) return null;
      const { lost, troubles } = findings;
      if (lost !== null) return withKernel(`"${source}" is lost: ${lost}`, lost);
      for (const trouble of troubles.filter((trouble) => !before.includes(trouble))) {
        const { text, why, kernel } = withKernel(trouble, trouble);
        log.error(text, { event: "disk-trouble", why, kernel });
        progress.failed(text);
      }
      before = troubles;
    }
  } finally {
    kernelLog?.close();
  }
}
