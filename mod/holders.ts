/**
 * Who keeps a mount busy: what fuser(1), losetup(8) and swapon(8) would be asked.
 *
 * @module
 */
import { isBelow, parseMountinfo } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

/** At most so many are named; the first ones tell enough. */
const MAX_NAMED = 8;

async function holdingProcess(
  pid: string,
  target: string,
  world: World,
): Promise<string | undefined> {
  const { files } = world;
  const links = ["cwd", "root", "exe"].map((name) => `/proc/${pid}/${name}`);
  const fds = await files.list(`/proc/${pid}/fd`).catch(() => []);
  links.push(...fds.map((fd) => `/proc/${pid}/fd/${fd}`));
  for (const link of links) {
    const path = await files.readLink(link).catch(() => "");
    if (path !== "" && isBelow(path, target)) {
      const name = (await readTextIfAny(`/proc/${pid}/comm`, files))?.trim() ?? "process";
      return `${name} (process ${pid}, "${path}")`;
    }
  }
  return undefined;
}

/** This program has nothing open there by then, but for a look at a disk that does not answer. */
async function holdingSelf(target: string, world: World): Promise<string | undefined> {
  const cwd = await world.files.readLink(`/proc/${world.pid}/cwd`).catch(() => "");
  if (cwd !== "" && isBelow(cwd, target)) return `this program's own working directory, "${cwd}"`;
  const holder = await holdingProcess(String(world.pid), target, world);
  return holder && "this program's own look at the disk, which does not answer";
}

/**
 * Processes with a file, working directory or program on the mount, loop devices and swap files on it,
 * and mounts below it; in words for a message. What cannot be read is left out.
 */
export async function findHolders(target: string, world: World): Promise<string[]> {
  const { files } = world;
  const holders: string[] = [];
  const pids = (await files.list("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const holder = Number(pid) === world.pid
      ? await holdingSelf(target, world)
      : await holdingProcess(pid, target, world);
    if (holder !== undefined) holders.push(holder);
  }
  for (const name of await files.list("/sys/block").catch(() => [])) {
    const file = (await readTextIfAny(`/sys/block/${name}/loop/backing_file`, files))?.trim();
    if (file !== undefined && isBelow(file, target)) {
      holders.push(`/dev/${name} (loop device, "${file}")`);
    }
  }
  for (const line of (await readTextIfAny("/proc/swaps", files) ?? "").split("\n").slice(1)) {
    const file = line.split(/\s/, 1)[0] ?? "";
    if (file !== "" && isBelow(file, target)) holders.push(`swap "${file}"`);
  }
  const mountinfo = await readTextIfAny("/proc/self/mountinfo", files) ?? "";
  for (const mount of parseMountinfo(mountinfo)) {
    if (mount.mountPoint !== target && isBelow(mount.mountPoint, target)) {
      holders.push(`mount on "${mount.mountPoint}"`);
    }
  }
  return holders.length <= MAX_NAMED
    ? holders
    : [...holders.slice(0, MAX_NAMED), `${holders.length - MAX_NAMED} more`];
}
