/**
 * blkid, which is asked what is on the disks.
 *
 * @module
 */
import { type BlockDevice, parseBlkid } from "./blkid.ts";
import type { MountConfig } from "./config.ts";
import { Failure } from "./exit.ts";
import type { World } from "./world.ts";

/** blkid reads every disk; one that has to spin up first takes some 10 s. */
const BLKID_LIMIT_MS = 30_000;

/** blkid, where it is. */
export interface Blkid {
  readonly program: string;
}

/** Whether the source can be found only with blkid. */
export function needsBlkid({ source, fstype }: Pick<MountConfig, "source" | "fstype">): boolean {
  if (source.kind === "tag") return true;
  return source.kind === "path" && (fstype === null || fstype === "btrfs");
}

/**
 * Asks blkid, with its cache off, of one device or of all.
 *
 * @throws {Error} with blkid's own words where it fails, so that the look can be repeated.
 * @throws {Failure} where it cannot be run at all.
 */
export async function askBlkid(
  blkid: Blkid,
  device: string | undefined,
  world: World,
  signal: AbortSignal,
): Promise<BlockDevice[]> {
  const run = async (args: readonly string[]) => {
    try {
      return await world.programs.output(blkid.program, args, BLKID_LIMIT_MS, signal);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
        throw new Failure(
          "configuration",
          `Cannot run blkid "${blkid.program}": ${error.message}; ` +
            "install util-linux, or set MNT_BLKID, or name the disk by path and set MNT_FSTYPE",
          { cause: error },
        );
      }
      throw error;
    }
  };
  const only = device === undefined ? [] : [device];
  const startMs = world.clock.now();
  let output = await run(["-c", "/dev/null", ...only]);
  // util-linux says "nothing found" by exit 2. An empty success is busybox, which takes no options.
  if (output.code === 0 && output.stdout.trim() === "") output = await run(only);
  signal.throwIfAborted();
  if (output.signal === "SIGKILL" && world.clock.now() - startMs >= BLKID_LIMIT_MS) {
    throw new Error(`blkid did not answer within ${BLKID_LIMIT_MS / 1000} s; is a disk hanging?`);
  }
  if (output.code !== 0 && output.code !== 2) {
    const said = output.stderr.trim().split("\n").at(-1) || "it said nothing";
    throw new Error(`blkid failed with ${output.signal ?? `exit ${output.code}`}: ${said}`);
  }
  return parseBlkid(output.stdout);
}
