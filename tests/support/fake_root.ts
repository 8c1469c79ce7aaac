/**
 * A fake root: the real one with an overlay on it, so that whatever a program in it writes, changes or
 * removes outside its disk lies in a directory of the test's own afterwards, and nothing of it on the machine.
 *
 * @module
 */
import { type Change, changesIn, type Layer, look } from "./changes.ts";
import { run } from "./command.ts";
import { readMounts } from "./system.ts";
import { tempDirectory } from "./temp.ts";

/** Where the units let Deno keep what it compiles; in memory on a host. */
export const DENO_DIRECTORY = "/run/restic-rest-server-deno";

/** Regular files in /dev, which no overlay is on: it has the nodes of the disks. */
async function filesOfDev(): Promise<string[]> {
  const found = await run("find", "/dev", "-xdev", "-type", "f", "-printf", "%p %s %T@\\n");
  return found.split("\n").filter((line) => line !== "");
}

/** A root that keeps every change to itself; it can be removed when nothing runs in it any more. */
export class FakeRoot implements AsyncDisposable {
  readonly #layers: Layer[] = [];
  #dev: readonly string[] = [];

  private constructor(private readonly temporary: { path: string } & AsyncDisposable) {}

  /** Made of the machine as it is now: what is mounted later elsewhere is not in it. */
  static async make(): Promise<FakeRoot> {
    const mounts = new Set(readMounts().map(({ mountPoint }) => mountPoint));
    const root = new FakeRoot(await tempDirectory());
    try {
      await run("mount", "-t", "tmpfs", "tmpfs", root.temporary.path);
      await Deno.mkdir(root.path);
      await root.#overlay("/");
      for (const point of ["/proc", "/sys"]) await run("mount", "--rbind", point, root.at(point));
      for (const point of mounts) await root.#add(point);
      await root.#lendPackages();
      root.#dev = await filesOfDev();
    } catch (error) {
      await root[Symbol.asyncDispose]();
      throw error;
    }
    return root;
  }

  get path(): string {
    return `${this.temporary.path}/root`;
  }

  /** Where this process finds a path of the fake root, with what the program has mounted there. */
  at(path: string): string {
    return this.path + path;
  }

  /** Runs what follows in the fake root, standing in `directory`. */
  prefix(directory: string): string[] {
    return [
      ...["chroot", this.path, "env", `--chdir=${directory}`],
      // The coverage of a test that asks for it is no part of the program.
      "--unset=DENO_COVERAGE_DIR",
      ...[`DENO_DIR=${DENO_DIRECTORY}`, "DENO_NO_UPDATE_CHECK=1"],
    ];
  }

  /** All that is not as it is on the machine. */
  async changes(): Promise<Change[]> {
    const dev = (await filesOfDev()).filter((line) => !this.#dev.includes(line));
    return [
      ...this.#layers.flatMap((layer) => changesIn(layer)),
      ...dev.map((line) => ({
        path: line.split(" ", 1)[0]!,
        what: "a file, where nodes are",
        bytes: Number(line.split(" ").at(-2)),
      })),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { path } = this.temporary;
    if (readMounts().some(({ mountPoint }) => mountPoint === path)) {
      await run("umount", "--recursive", "--lazy", path);
    }
    await this.temporary[Symbol.asyncDispose]();
  }

  async #overlay(point: string): Promise<void> {
    const layer = await Deno.makeTempDir({ dir: this.temporary.path });
    const [upper, work] = [`${layer}/upper`, `${layer}/work`];
    for (const directory of [upper, work]) await Deno.mkdir(directory);
    // The upper directory stands for the mounted one from now on.
    const { mode, uid, gid, atime, mtime } = await Deno.stat(point);
    await Deno.chown(upper, uid, gid);
    await Deno.chmod(upper, mode! & 0o7777);
    await Deno.utime(upper, atime!, mtime!);
    const options = `lowerdir=${point},upperdir=${upper},workdir=${work}`;
    await run("mount", "-t", "overlay", "-o", options, "overlay", this.at(point));
    this.#layers.push({ at: point === "/" ? "" : point, upper });
  }

  /** What an overlay does not show: that which is mounted on the file system below it. */
  async #add(point: string): Promise<void> {
    if (point === "/" || /^\/(proc|sys)($|\/)/.test(point)) return;
    // One that a later mount hides has no place.
    if (look(point) === null || look(this.at(point)) === null) return;
    // Nodes and terminals are the kernel's; /dev/shm keeps bytes.
    if (/^\/dev($|\/(?!shm$))/.test(point)) {
      return void await run("mount", "--bind", point, this.at(point));
    }
    await this.#overlay(point).catch(async () => {
      // A file, or a file system that can have no overlay: at least nothing can be written there.
      await run("mount", "--bind", point, this.at(point));
      await run("mount", "-o", "remount,bind,ro", this.at(point));
    });
  }

  /** The packages that Deno has fetched, for a program that is not bundled; not to be changed. */
  async #lendPackages(): Promise<void> {
    const { denoDir } = JSON.parse(await run(Deno.execPath(), "info", "--json"));
    const [packages, place] = [`${denoDir}/npm`, this.at(`${DENO_DIRECTORY}/npm`)];
    if (look(packages) === null) return;
    await Deno.mkdir(place, { recursive: true });
    await run("mount", "--bind", packages, place);
    await run("mount", "-o", "remount,bind,ro", place);
  }
}
