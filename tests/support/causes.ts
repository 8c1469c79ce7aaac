/**
 * Real causes of the faults of the fault table.
 *
 * @module
 */
import { run } from "./command.ts";
import type { Disk } from "./disk.ts";
import type { Stage } from "./faults.ts";
import { until } from "./wait.ts";
import { readMounts } from "./system.ts";

/** The cure of a fault that is held in {@linkcode Stage.cause}. */
export const lift = ({ cause }: Stage): Promise<void> => cause.disposeAsync();

/** Writes bytes over a part of a disk. */
export async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(bytes);
  await file.syncData();
}

/** Makes a disk larger or smaller, and has the kernel see that. */
export async function resize(disk: Disk, sizeBytes: number): Promise<void> {
  await Deno.truncate(disk.image, sizeBytes);
  await run("losetup", "--set-capacity", disk.path);
}

/** A disk's file system mounted aside for a moment; made there by `fill`. */
export async function onDisk(
  { disk, where }: Stage,
  fill: (directory: string) => Promise<unknown>,
): Promise<void> {
  const directory = `${where.directory}/aside`;
  await Deno.mkdir(directory);
  await run("mount", disk.path, directory);
  try {
    await fill(directory);
  } finally {
    await run("umount", directory);
    await Deno.remove(directory);
  }
}

/** A program that runs until it is disposed of; ready with its first line. */
export async function background(...command: readonly string[]): Promise<AsyncDisposable> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await reader.cancel();
      await child.status;
    },
  };
}

const OPEN = "use Fcntl; sysopen(F, $ARGV[0], O_RDONLY | O_EXCL) or die $!;";

/** Opens a block device with O_EXCL, as a RAID, LVM or mkfs does. */
export function holdExclusively(path: string): Promise<AsyncDisposable> {
  return background("perl", "-e", `$| = 1; ${OPEN} print "held\\n"; sleep 1000`, path);
}

/** Turns a disk's write-protect switch on; a loop device would keep it for its next disk. */
export async function writeProtect({ disk, cause }: Stage): Promise<void> {
  await run("blockdev", "--setro", disk.path);
  cause.defer(async () => void await run("blockdev", "--setrw", disk.path));
}

/** Shuts a file system down as a fatal error would: EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN. */
export async function shutDown(target: string): Promise<void> {
  await run("xfs_io", "-x", "-c", "shutdown", target);
}

/** What the kernel keeps of disks in memory is dropped: reads go to the disk again. */
export async function dropCaches(): Promise<void> {
  await run("sync");
  await Deno.writeTextFile("/proc/sys/vm/drop_caches", "3");
}

/** A controller of cgroups(7), in a hierarchy of its own (version 1) or in the one of version 2. */
export type Controller = "pids" | "memory" | "blkio" | "freezer";

interface Hierarchy {
  readonly path: string;
  readonly version: 1 | 2;
}

const VERSION_2: Readonly<Record<Controller, string | undefined>> = {
  pids: "pids",
  memory: "memory",
  blkio: "io",
  freezer: undefined,
};

function findHierarchy(controller: Controller, version?: 1): Hierarchy | undefined {
  const mounts = readMounts();
  const own = mounts.find((mount) =>
    mount.fsType === "cgroup" && mount.superOptions.includes(controller)
  );
  const unified = mounts.find((mount) => mount.fsType === "cgroup2");
  // Version 2 freezes without a controller, and a frozen process can still be killed there.
  if (version === undefined && unified && (own === undefined || controller === "freezer")) {
    return { path: unified.mountPoint, version: 2 };
  }
  return own && { path: own.mountPoint, version: 1 };
}

/** Why there can be no group of this controller here; `undefined` where there can. */
export function cgroupLack(controller: Controller, version?: 1): string | undefined {
  const lack = `needs the cgroup controller ${controller}${version ? " of version 1" : ""}`;
  const hierarchy = findHierarchy(controller, version);
  if (hierarchy === undefined) return lack;
  try {
    const path = `${hierarchy.path}/fault-test-${crypto.randomUUID()}`;
    Deno.mkdirSync(path);
    Deno.removeSync(path);
    return undefined;
  } catch {
    return lack;
  }
}

/** A group of processes with limits. */
export interface Group {
  /** A process that writes its pid there moves itself in. */
  readonly procs: string;
  /** Moves a process in, with all its threads. */
  add(pid: number): Promise<void>;
  /** Writes a file of the group, by its name in version 1 and in version 2. */
  set(names: readonly [one: string, two: string], values: readonly [string, string]): Promise<void>;
  read(name: string): Promise<string>;
}

/** Makes a group, which is gone with the stage's cause: its limits first, then its processes go back. */
export async function group(
  { cause }: Pick<Stage, "cause">,
  controller: Controller,
  only?: 1,
): Promise<Group> {
  const { path: root, version } = findHierarchy(controller, only)!;
  const name = VERSION_2[controller];
  if (version === 2 && name !== undefined) {
    await Deno.writeTextFile(`${root}/cgroup.subtree_control`, `+${name}`);
  }
  const path = `${root}/fault-test-${crypto.randomUUID()}`;
  await Deno.mkdir(path);
  cause.defer(async () => {
    const procs = await Deno.readTextFile(`${path}/cgroup.procs`);
    for (const pid of procs.split("\n").filter(Boolean)) {
      await Deno.writeTextFile(`${root}/cgroup.procs`, pid).catch(() => {});
    }
    // What has just ended is a member for a moment more.
    const remove = () => Deno.remove(path).then(() => true, () => false);
    await until(remove, "an empty group of processes");
  });
  return {
    procs: `${path}/cgroup.procs`,
    add: (pid) => Deno.writeTextFile(`${path}/cgroup.procs`, String(pid)),
    set: ([one, two], values) =>
      version === 1
        ? Deno.writeTextFile(`${path}/${one}`, values[0])
        : Deno.writeTextFile(`${path}/${two}`, values[1]),
    read: (file) => Deno.readTextFile(`${path}/${file}`),
  };
}

/** Freezes a process until the stage's cause is lifted. */
export async function freeze(stage: Stage, pid: number, version?: 1): Promise<void> {
  const { add, set } = await group(stage, "freezer", version);
  const files = ["freezer.state", "cgroup.freeze"] as const;
  stage.cause.defer(() => set(files, ["THAWED", "0"]));
  await add(pid);
  await set(files, ["FROZEN", "1"]);
}

/**
 * Holds the reads of a disk by a process, and by what it starts, back for as long as the stage's cause lasts:
 * at first all but for ever.
 *
 * @returns takes another limit.
 */
export async function stall(
  stage: Stage,
  pid: number,
): Promise<(bytesPerSecond: number) => Promise<void>> {
  const { add, set } = await group(stage, "blkio");
  const number = (await run("lsblk", "-dno", "MAJ:MIN", stage.disk.path)).trim();
  const files = ["blkio.throttle.read_bps_device", "io.max"] as const;
  const limit = (bytesPerSecond: number) =>
    set(files, [`${number} ${bytesPerSecond}`, `${number} rbps=${bytesPerSecond}`]);
  stage.cause.defer(() => set(files, [`${number} 0`, `${number} rbps=max`]));
  await add(pid);
  await limit(1);
  return limit;
}
