/**
 * The disk of the demo: an ext4 image on a loop device, or a tmpfs.
 *
 * @module
 */
import { mountAt, parseMountinfo } from "../../mod/mountinfo.ts";
import { ensurePrograms } from "../tools/debian.ts";
import { CommandError, findProgram, runCommand } from "../tools/command.ts";
import type { DiskKind } from "./demo_plan.ts";

/** What the program is to mount, and how to see that nothing of it is left. */
export interface DemoDisk extends AsyncDisposable {
  /** The `MNT_*` variables that name it. */
  readonly variables: Readonly<Record<string, string>>;
  readonly description: string;
  /** Lets go of the device and waits until it is free. @throws {Error} where something is left. */
  release(): Promise<void>;
}

const SIZE_MB = 256;

/** Whether something is mounted on this path, in this process's mount namespace. */
export async function isMounted(target: string): Promise<boolean> {
  return mountAt(parseMountinfo(await Deno.readTextFile("/proc/self/mountinfo")), target) !==
    undefined;
}

/** Waits for a condition, looking each 20 ms; whether it came true in time. */
export async function comesTrue(condition: () => Promise<boolean>, limitMs: number) {
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Attaches a file to a free loop device. */
async function attach(losetup: string, image: string): Promise<string> {
  try {
    const [device] = await runCommand(losetup, ["--find", "--show", image]);
    return device!;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(
      "there is no loop device here; in a container that is so unless it is privileged. " +
        "As an ordinary user the demo takes a tmpfs",
      error.lines,
      { cause: error },
    );
  }
}

/**
 * A loop device that frees itself. We hold it open and detach it at once: the kernel then keeps it until
 * the last user is gone, so that not even a SIGKILL of the whole demo leaves it behind.
 */
async function selfFreeingLoop(losetup: string, image: string) {
  const device = await attach(losetup, image);
  let held: Deno.FsFile | undefined;
  try {
    held = await Deno.open(device);
  } finally {
    await runCommand(losetup, ["--detach", device]);
  }
  const backing = `/sys/block/${device.replace("/dev/", "")}/loop/backing_file`;
  const isFree = () => Deno.readTextFile(backing).then((file) => file.trim() !== image, () => true);
  return {
    device,
    async release() {
      held?.close();
      held = undefined;
      if (!(await comesTrue(isFree, 5_000))) {
        throw new Error(`${device} still holds ${image}: losetup --detach ${device}`);
      }
    },
  };
}

/** Frees the loop devices of a demo that was killed in the moment between attaching and detaching. */
export async function freeLoops(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    const file = await Deno.readTextFile(`/sys/block/${name}/loop/backing_file`).catch(() => "");
    const losetup = await findProgram("losetup");
    if (!file.startsWith(`${folder}/`) || losetup === undefined) continue;
    await runCommand(losetup, ["--detach", `/dev/${name}`]).catch(() => {});
  }
}

async function ext4Disk(folder: string, progress: (line: string) => void, signal: AbortSignal) {
  const programs = await ensurePrograms(["mkfs.ext4", "losetup", "blkid"], progress, signal);
  const image = `${folder}/disk.img`;
  await Deno.writeFile(image, new Uint8Array());
  await Deno.truncate(image, SIZE_MB * 1024 * 1024);
  const uuid = crypto.randomUUID();
  await runCommand(programs["mkfs.ext4"]!, ["-q", "-F", "-U", uuid, image], { signal });
  // No signal here: interrupted, it could leave a device that we do not know of.
  const loop = await selfFreeingLoop(programs["losetup"]!, image);
  return {
    variables: { MNT_SOURCE: `UUID=${uuid}`, MNT_BLKID: programs["blkid"]! },
    description: `${SIZE_MB} MB ext4 on ${loop.device}, UUID=${uuid}`,
    release: loop.release,
  };
}

function tmpfsDisk() {
  return {
    variables: { MNT_SOURCE: "tmpfs", MNT_FSTYPE: "tmpfs", MNT_DATA: `size=${SIZE_MB}m` },
    description: `a tmpfs of ${SIZE_MB} MB, for only root may have a loop device`,
    release: () => Promise.resolve(),
  };
}

/** Makes the disk; nothing is mounted yet, that is the program's part. */
export async function makeDisk(
  kind: DiskKind,
  folder: string,
  target: string,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<DemoDisk> {
  const disk = kind === "ext4" ? await ext4Disk(folder, progress, signal) : tmpfsDisk();
  return {
    ...disk,
    async [Symbol.asyncDispose]() {
      // Only after a program that did not unmount: its own failure has been reported.
      if (await isMounted(target)) await runCommand("umount", ["--lazy", target]);
      await disk.release();
    },
  };
}
