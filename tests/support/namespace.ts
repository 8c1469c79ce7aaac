/**
 * The mount namespace of a program, seen from outside, and also after the program has ended.
 *
 * @module
 */
import { type MountInfo, parseMountinfo } from "../../mod/mountinfo.ts";
import { run } from "./command.ts";
import { until } from "./wait.ts";

/** A mount namespace that is held: with it, what is mounted there. `await using` lets go of it. */
export class MountNamespace implements AsyncDisposable {
  private constructor(
    readonly held: { readonly name: string; readonly file: Deno.FsFile } | null,
  ) {}

  /** The one of this process. */
  static own(): MountNamespace {
    return new MountNamespace(null);
  }

  /** The one of a process that is about to get, or has got, another one than this process has. */
  static async ofOther(pid: number): Promise<MountNamespace> {
    const path = `/proc/${pid}/ns/mnt`;
    const own = await Deno.readLink("/proc/self/ns/mnt");
    const name = await until(async () => {
      const now = await Deno.readLink(path);
      return now === own ? null : now;
    }, `process ${pid} has a mount namespace of its own`);
    return new MountNamespace({ name, file: await Deno.open(path) });
  }

  /** The mounts on a directory, the topmost last. */
  async mountsOn(target: string): Promise<MountInfo[]> {
    const text = this.held === null
      ? await Deno.readTextFile("/proc/self/mountinfo")
      : await run("nsenter", `--mount=${await this.#path()}`, "cat", "/proc/self/mountinfo");
    return parseMountinfo(`${text.trim()}\n`).filter(({ mountPoint }) => mountPoint === target);
  }

  /** By which another process finds the open file: Deno does not tell its number. */
  async #path(): Promise<string> {
    const directory = `/proc/${Deno.pid}/fd`;
    for (const { name } of Deno.readDirSync(directory)) {
      const path = `${directory}/${name}`;
      const to = await Deno.readLink(path).catch(() => "");
      if (to === this.held!.name) return path;
    }
    throw new Error(`${this.held!.name} is not held any more`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    this.held?.file.close();
  }
}
