/**
 * A disk that can be made to hang.
 *
 * @module
 */
import { run } from "./command.ts";
import { Disk } from "./disk.ts";
import type { Place } from "./system.ts";
import { until } from "./wait.ts";

/** A disk whose image lies on another one, which can be frozen: then what writes to it blocks. */
export class FreezableDisk implements AsyncDisposable {
  #frozen = false;
  private constructor(readonly disk: Disk, readonly directory: string) {}

  /** Not plugged in yet. */
  static async make(outer: Disk, where: Place): Promise<FreezableDisk> {
    const directory = `${where.directory}/outer`;
    await Deno.mkdir(directory);
    await run("mount", outer.path, directory);
    const disk = await Disk.make({ fstype: "ext4", directory });
    return new FreezableDisk(disk, directory);
  }

  async freeze(): Promise<void> {
    await run("sync", "-f", this.directory);
    await run("fsfreeze", "--freeze", this.directory);
    this.#frozen = true;
  }

  async thaw(): Promise<void> {
    if (this.#frozen) await run("fsfreeze", "--unfreeze", this.directory);
    this.#frozen = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw();
    await this.disk[Symbol.asyncDispose]();
    // The kernel lets go of the image a moment after its loop device is gone.
    await until(
      () => run("umount", this.directory).then(() => true, () => false),
      `${this.directory} is unmounted`,
    );
  }
}
