/**
 * What lies below a mount point. Whatever happens to its disk, nothing may ever be written there.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { run } from "./command.ts";
import { tempDirectory } from "./temp.ts";

/** Whether a directory is there, with no symlink on the way: that one would lead out of the view. */
function isDirectory(path: string): boolean {
  try {
    return Deno.realPathSync(path) === path && Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** The size and the content of a file; what is there is little. */
function describeFile(path: string): string {
  const bytes = Deno.readFileSync(path);
  return `${bytes.length} bytes, SHA-256 ${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Each path in a directory, with the content of a file; none where it is no directory. */
function list(directory: string): string[] {
  if (!isDirectory(directory)) return [];
  return [...Deno.readDirSync(directory)].flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) return [`${path}/`, ...list(path)];
    return [entry.isFile ? `${path} (${describeFile(path)})` : path];
  });
}

/** Targets in a directory, seen without what is mounted on them. */
export class Below implements AsyncDisposable {
  /** By target: what was there before the program first ran. */
  readonly #before = new Map<string, string[]>();

  private constructor(
    readonly directory: string,
    /** The directory again, by a bind mount that does not take the mounts in it along. */
    readonly view: string,
    readonly temporary: AsyncDisposable,
  ) {}

  static async of(directory: string): Promise<Below> {
    const view = await tempDirectory();
    await run("mount", "--bind", directory, view.path);
    return new Below(directory, await Deno.realPath(view.path), view);
  }

  #list(target: string): string[] {
    return list(`${this.view}${target.slice(this.directory.length)}`);
  }

  /** Notes what is below a target, the first time that it is named. */
  note(target: string): void {
    if (!target.startsWith(`${this.directory}/`) || this.#before.has(target)) return;
    this.#before.set(target, this.#list(target));
  }

  /** Ends the view. @throws {Error} where something has come or gone, or changed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const after = [...this.#before.keys()].map((target) => this.#list(target));
    await run("umount", this.view);
    await this.temporary[Symbol.asyncDispose]();
    assert.deepEqual(after, [...this.#before.values()], "written outside the disk");
  }
}
