/**
 * Files by path, over Deno's own API.
 *
 * @module
 */
import type { FileFacts, Files } from "./world.ts";

function fileKind(info: Deno.FileInfo): FileFacts["kind"] {
  if (info.isFile) return "file";
  if (info.isDirectory) return "directory";
  if (info.isBlockDevice) return "block device";
  return info.isSocket ? "socket" : "other";
}

/**
 * Files of the kernel, and our own in /run, are there at once: asked in place, each saves a trip to
 * another thread. What may lie on a disk, which may hang, is never asked in place.
 */
function inMemory(path: string): boolean {
  return /^\/(proc|sys|dev|run\/restic-rest-server)\//.test(path);
}

/** The programs of the system: where their disk hangs, this program itself cannot go on. */
function ofSystem(path: string): boolean {
  return /^\/(user|usr|bin|sbin)\//.test(path);
}

/**
 * Writes from the start, and only then cuts what was longer: whoever reads after a SIGKILL in between finds
 * the old lines or the new ones, never an empty file.
 */
function overwrite(path: string, text: string): void {
  using file = Deno.openSync(path, { write: true, create: true, mode: 0o600 });
  const bytes = new TextEncoder().encode(text);
  let written = 0;
  while (written < bytes.length) written += file.writeSync(bytes.subarray(written));
  file.truncateSync(bytes.length);
}

export const files: Files = {
  async readText(path) {
    return inMemory(path) ? Deno.readTextFileSync(path) : await Deno.readTextFile(path);
  },
  async writeText(path, text) {
    if (inMemory(path)) overwrite(path, text);
    else await Deno.writeTextFile(path, text, { mode: 0o600 });
  },
  async readAt(path, offset, length) {
    using file = ofSystem(path) ? Deno.openSync(path) : await Deno.open(path);
    if (offset > 0) await file.seek(offset, Deno.SeekMode.Start);
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const rest = bytes.subarray(filled);
      const read = ofSystem(path) ? file.readSync(rest) : await file.read(rest);
      if (read === null) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  },
  async stat(path) {
    try {
      const info = inMemory(path) || ofSystem(path) ? Deno.statSync(path) : await Deno.stat(path);
      const { uid, gid, mode, rdev, ino: inode } = info;
      const executable = ((mode ?? 0) & 0o111) !== 0;
      const owner = { uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? 0 };
      return { kind: fileKind(info), rdev: rdev ?? 0, inode, executable, owner };
    } catch (error) {
      // A file where a directory should be on the way (ENOTDIR) is a missing file, too.
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        return null;
      }
      throw error;
    }
  },
  realPath: (path) => Deno.realPath(path),
  async readLink(path) {
    return inMemory(path) ? Deno.readLinkSync(path) : await Deno.readLink(path);
  },
  async list(path) {
    const names: string[] = [];
    const entries = Deno.readDir(path)[Symbol.asyncIterator]();
    try {
      for (let next = await entries.next(); !next.done; next = await entries.next()) {
        names.push(next.value.name);
      }
    } finally {
      // "for await" leaves the directory open where reading it fails (EIO), and an open directory keeps the
      // dead file system in the kernel: the disk could never be mounted again.
      await entries.return?.();
    }
    return names;
  },
  makeDirectory: (path, mode = 0o755) => Deno.mkdir(path, { recursive: true, mode }),
  remove: (path) => Deno.remove(path),
};
