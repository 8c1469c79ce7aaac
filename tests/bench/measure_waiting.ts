/**
 * Waiting for disks, and reading long lists of mounts.
 *
 * @module
 */
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { until } from "../support/wait.ts";
import { ownCommand, runTool, type Setting, startListening } from "./measure_start.ts";

/** An image with an ext4 of its own, not attached. */
async function makeImage(setting: Setting, name: string): Promise<{ image: string; uuid: string }> {
  const image = `${setting.directory}/${name}.img`;
  const uuid = crypto.randomUUID();
  await runTool("truncate", "-s", "64M", image);
  await runTool("mkfs.ext4", "-q", "-F", "-U", uuid, image);
  return { image, uuid };
}

/** A disk for which this program waits until it appears. */
export interface LateDisk {
  /** From its node appearing (losetup has returned) to listening, in milliseconds. */
  appear(): Promise<number>;
}

export async function lateDisk(setting: Setting): Promise<LateDisk> {
  const { image, uuid } = await makeImage(setting, "late");
  return {
    async appear() {
      const waiting = { said: false };
      const command = ownCommand({ ...setting, uuid });
      const starting = startListening(command, (text) => {
        waiting.said ||= text.includes("waiting for");
      });
      await until(() => waiting.said, "the line that it waits");
      const device = await runTool("losetup", "--find", "--show", image);
      const attachedMs = performance.now();
      const listening = await starting;
      const took = performance.now() - attachedMs;
      await listening.stop();
      await runTool("losetup", "--detach", device);
      return took;
    },
  };
}

/** How many times blkid is run when `count` loop devices appear while it waits for another disk. */
export async function measureBlkidRuns(setting: Setting, count: number): Promise<number> {
  const log = `${setting.directory}/blkid.log`;
  const blkid = `${setting.directory}/blkid.sh`;
  await Deno.writeTextFile(log, "");
  await Deno.writeTextFile(blkid, `#!/bin/sh\necho run >> "${log}"\nexec blkid "$@"\n`, {
    mode: 0o755,
  });
  const runs = async () => (await Deno.readTextFile(log)).split("\n").length - 1;
  const { image, uuid } = await makeImage(setting, "awaited");
  const images: string[] = [];
  for (let i = 0; i < count; i++) {
    images.push(`${setting.directory}/burst${i}.img`);
    await runTool("truncate", "-s", "1M", images[i]!);
  }
  const command = ownCommand({ ...setting, uuid });
  const starting = startListening({ ...command, env: { ...command.env, MNT_BLKID: blkid } });
  await until(async () => await runs() === 1, "the first look");
  // One shell attaches them, 1 to 2 ms apart, as a hub with many disks would bring them.
  const attach = `for image in "$@"; do losetup --find --show "$image"; done`;
  const devices = (await runTool("/bin/sh", "-c", attach, "attach", ...images)).split("\n");
  await until(async () => await runs() > 1, "the look at the burst");
  const settledMs = performance.now() + 2000;
  await until(() => performance.now() > settledMs, "the burst to be over");
  const burst = await runs() - 1;
  const device = await runTool("losetup", "--find", "--show", image);
  const listening = await starting;
  await listening.stop();
  await runTool("losetup", "--detach", device, ...devices);
  return burst;
}

/** Milliseconds to parse a mountinfo of `count` mounts. */
export function measureMountinfo(count: number, rounds: number): number[] {
  const text = Array.from(
    { length: count },
    (_, i) =>
      `${i + 30} 27 0:${i + 40} / /run/containers/overlay/${i}/merged rw,nosuid,relatime ` +
      `shared:${i} - overlay overlay rw,lowerdir=/var/lib/${i}/lower,upperdir=/var/lib/${i}/upper\n`,
  ).join("");
  return Array.from({ length: rounds }, () => {
    const beginMs = performance.now();
    parseMountinfo(text);
    return performance.now() - beginMs;
  });
}
