/**
 * How the start and the wait grow with the number of block devices and of mounts.
 *
 * @module
 */
import { findProgram } from "../../dist/tools/command.ts";
import { mountHere } from "../../ffi/mount.ts";
import { cString, openLibc } from "../../ffi/libc.ts";
import { MS_BIND, O_CLOEXEC, O_RDWR } from "../../mod/linux.ts";
import {
  type Command,
  ownCommand,
  runTool,
  type Setting,
  startCommands,
  withListening,
} from "./measure_start.ts";
import { loopDevices } from "../support/disk.ts";
import { lateDisk } from "./measure_waiting.ts";
import type { DevicesFigures, MountsFigures } from "./results.ts";

const DEVICES = [1, 4, 16, 64, 128, 256];
const MOUNTS = [10, 100, 1000, 2500, 5000, 10_000];

async function startOf(setting: Setting, command: Command): Promise<number> {
  const started = await withListening(
    setting,
    command,
    ({ startMs }) => Promise.resolve({ startMs }),
  );
  return started.startMs;
}

async function resolveMs(...args: string[]): Promise<number> {
  const script = new URL("./resolve.ts", import.meta.url).pathname;
  return Number(await runTool(Deno.execPath(), "run", "--allow-all", "--quiet", script, ...args));
}

const images = (directory: string) => `${directory}/grow`;

/** Attaches small disks, each with a file system of its own: those with the numbers `from` to before `to`. */
async function attach(from: number, to: number, directory: string): Promise<void> {
  const names = Array.from({ length: to - from }, (_, i) => `${images(directory)}${from + i}.img`);
  // One shell makes them all: a process each from here would take ten times as long.
  const script = 'for image in "$@"; do truncate -s 4M "$image" && ' +
    'mkfs.ext4 -q -F "$image" && losetup --find "$image" || exit; done';
  await runTool("/bin/sh", "-c", script, "attach", ...names);
}

/** From `include/uapi/linux/loop.h`. */
const LOOP_CTL_REMOVE = 0x4c81n;

/** The kernel keeps a node of each loop device that there ever was, and blkid would look at them for ever. */
function removeNodes(paths: readonly string[]): void {
  const library = Deno.dlopen("libc.so.6", {
    // int ioctl(int fd, unsigned long op, ...);
    ioctl: { parameters: ["i32", "usize", "usize"], result: "i32" },
  });
  const libc = openLibc();
  const control = libc.open(cString("/dev/loop-control"), O_RDWR | O_CLOEXEC, 0);
  for (const path of paths) {
    library.symbols.ioctl(control, LOOP_CTL_REMOVE, BigInt(path.replace("/dev/loop", "")));
  }
  libc.close(control);
  library.close();
}

async function detachAll(directory: string, before: ReadonlySet<string>): Promise<void> {
  const devices = [...await loopDevices()].filter(([, file]) => file.startsWith(images(directory)));
  const paths = devices.map(([path]) => path);
  if (paths.length > 0) await runTool("losetup", "--detach", ...paths);
  removeNodes(paths.filter((path) => !before.has(path)));
}

/** With 1 to 256 loop devices, each with an ext4, beside the disks of the machine. */
export async function measureDevices(setting: Setting, rounds: number): Promise<DevicesFigures[]> {
  const blkid = (await findProgram("blkid"))!;
  const command = ownCommand(setting);
  const late = await lateDisk(setting);
  const all: DevicesFigures[] = [];
  const before = new Set([...Deno.readDirSync("/sys/block")].map(({ name }) => `/dev/${name}`));
  try {
    // The disk of the setting is the first.
    let there = 1;
    for (const count of DEVICES) {
      await attach(there, count, setting.directory);
      there = count;
      const figures = await measureEach(rounds, {
        resolveMs: () => resolveMs(blkid, `UUID=${setting.uuid}`),
        blkidMs: () => resolveMs(blkid),
        startMs: () => startOf(setting, command),
        appearsMs: () => late.appear(),
      });
      all.push({ count, ...figures });
    }
  } finally {
    await detachAll(setting.directory, before);
  }
  return all;
}

/** With 10 to 10,000 bind mounts in this mount namespace, which must be the bench's own. */
export async function measureMounts(setting: Setting, rounds: number): Promise<MountsFigures[]> {
  const libc = openLibc();
  const root = `${setting.directory}/mounts`;
  await Deno.mkdir(root);
  await runTool("mount", "-t", "tmpfs", "-o", "nr_inodes=0", "tmpfs", root);
  const { script, this: own } = startCommands(setting);
  const all: MountsFigures[] = [];
  let mounts = 0;
  try {
    const late = await lateDisk(setting);
    for (const count of MOUNTS) {
      for (; mounts < count; mounts++) {
        const target = `${root}/${mounts}`;
        await Deno.mkdir(target);
        const spec = { source: target, target, fstype: "none", flags: MS_BIND, data: "" };
        const errno = mountHere(libc, spec);
        if (errno !== 0) throw new Error(`Cannot bind "${target}": errno ${errno}`);
      }
      const figures = await measureEach(rounds, {
        startMs: () => startOf(setting, own),
        scriptMs: () => startOf(setting, script),
        appearsMs: () => late.appear(),
      });
      all.push({ count, ...figures });
    }
  } finally {
    await runTool("umount", "--lazy", root);
    await Deno.remove(root);
  }
  return all;
}

/** Each measurement once a round, one after the other; the first round does not count. */
async function measureEach<Name extends string>(
  rounds: number,
  measurements: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(measurements) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const took = await measurements[name]();
      if (round > 0) figures[name].push(took);
    }
  }
  return figures;
}
