/**
 * A cgroup of a test's own, so that what it makes there is not among those of the machine.
 *
 * @module
 */
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { until } from "./wait.ts";

/** Where a cgroup of this process's can be made; `null` where there is no cgroup2. */
export async function cgroupPath(): Promise<string | null> {
  const mounts = parseMountinfo(await Deno.readTextFile("/proc/self/mountinfo"));
  const root = mounts.find(({ fsType }) => fsType === "cgroup2")?.mountPoint;
  const own = /^0::(.*)$/m.exec(await Deno.readTextFile("/proc/self/cgroup"))?.[1];
  if (root === undefined || own === undefined) return null;
  return `${root}${own === "/" ? "" : own}/restic-rest-server-test-${Deno.pid}`;
}

/** Removes a cgroup and those in it, once their processes have ended. */
export async function removeCgroup(path: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) await removeCgroup(`${path}/${name}`);
  }
  await until(() => Deno.remove(path).then(() => true, () => false), `an empty cgroup ${path}`);
}
