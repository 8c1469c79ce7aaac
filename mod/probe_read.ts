/**
 * Whether a file system still gives a byte: a shut-down ext4 answers stat and readdir, a shut-down xfs
 * answers statfs.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { errnoOf, messageOf } from "./exit.ts";
import type { Mounted } from "./mount.ts";
import type { ProbeResult } from "./probe.ts";
import { isRemote } from "./remote.ts";
import type { World } from "./world.ts";

/** errno of a want of our own, not of the disk. */
const OURS: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM"];

/** So many files and directories that cannot be read, and none that can: it is not one that is damaged. */
const FAILURES_MAX = 3;
/** `--path` and the root hold repositories, or users with repositories: a file is at most so deep. */
const DEPTH_MAX = 3;
/** A disk with no file to be found is not searched each time. */
const SEARCH_EVERY_MS = 60_000;

/** The file of each mount that a probe reads: the kernel keeps it in memory, so the disk may sleep on. */
const known = new WeakMap<Mounted, string>();
/** When a mount without one is searched again. */
const searchAtMs = new WeakMap<Mounted, number>();

/** Asks for what can fail as a disk does, and keeps what failed so; what is only denied to us says nothing. */
class Asking {
  readonly failures: { readonly path: string; readonly why: string }[] = [];

  async ask<T>(path: string, call: Promise<T>): Promise<T | undefined> {
    try {
      return await call;
    } catch (error) {
      if (OURS.includes(errnoOf(error))) throw error;
      // Neither a missing file nor a symlink to itself is one of the disk's faults.
      const harmless = [
        Deno.errors.NotFound,
        Deno.errors.PermissionDenied,
        Deno.errors.FilesystemLoop,
      ].some((kind) => error instanceof kind);
      if (!harmless) this.failures.push({ path, why: messageOf(error) });
      return undefined;
    }
  }

  /** @param found whether something was read after all. */
  judge(found: boolean): ProbeResult {
    const [failed] = this.failures;
    if (failed === undefined) return { lost: null, troubles: [] };
    const { path, why } = failed;
    if (!found) return { lost: `it cannot be read: ${why}`, troubles: [] };
    const text = `"${path}" cannot be read (${why}), though other files can: see the kernel log, ` +
      "and run restic check";
    return { lost: null, troubles: [text] };
  }
}

/** What a symlink leads to, such as a password file elsewhere, can be on another disk. */
function isSymlink(path: string, { files }: World): Promise<boolean> {
  return files.readLink(path).then(() => true, () => false);
}

/** Reads a byte of some file below the directories, those further up first; gives the file. */
async function search(
  directories: readonly string[],
  tried: Set<string>,
  asking: Asking,
  world: World,
): Promise<string | undefined> {
  const { files } = world;
  let level = directories;
  for (let depth = 0; depth <= DEPTH_MAX; depth++) {
    const below: string[] = [];
    for (const directory of level) {
      for (const name of await asking.ask(directory, files.list(directory)) ?? []) {
        const path = `${directory}/${name}`;
        if (tried.has(path) || await isSymlink(path, world)) continue;
        tried.add(path);
        const kind = (await asking.ask(path, files.stat(path)))?.kind;
        if (kind === "directory") below.push(path);
        // Anything else, such as a FIFO, would be waited for without end.
        if (kind !== "file") continue;
        if (await asking.ask(path, files.readAt(path, 0, 1)) !== undefined) return path;
        if (asking.failures.length >= FAILURES_MAX) return undefined;
      }
    }
    level = below;
  }
  return undefined;
}

/** Reads a byte of the disk. What fails alone is a trouble; where nothing can be read, the disk is lost. */
export async function readAnything(
  { path }: MountConfig,
  mounted: Mounted,
  world: World,
): Promise<ProbeResult> {
  const { files, clock } = world;
  const root = mounted.info.mountPoint;
  const asking = new Asking();
  const before = known.get(mounted);
  known.delete(mounted);
  // An NFS server can have delegated the file: what is read of it then asks nobody for a long time.
  if (before === undefined || isRemote(mounted)) await asking.ask(root, files.stat(root));
  if (before !== undefined) {
    // Something else can be in its place by now.
    const kind = (await asking.ask(before, files.stat(before)))?.kind;
    const isRead = kind === "file" &&
      await asking.ask(before, files.readAt(before, 0, 1)) !== undefined;
    if (isRead) {
      known.set(mounted, before);
      return asking.judge(true);
    }
  } else if (clock.now() < (searchAtMs.get(mounted) ?? 0)) return asking.judge(false);
  const file = await search([path, root], new Set([path, before ?? path]), asking, world);
  if (file !== undefined) known.set(mounted, file);
  else searchAtMs.set(mounted, clock.now() + SEARCH_EVERY_MS);
  return asking.judge(file !== undefined);
}
