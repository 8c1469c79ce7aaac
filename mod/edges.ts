/**
 * The real edges, over Deno's own API.
 *
 * @module
 */
import type { ServerStatus } from "./exit.ts";
import type { SignalName } from "./linux.ts";
import type { Clock, DeviceEvents, FileFacts, Files, Programs, Sockets } from "./world.ts";

/** A timer that nobody waits for any more lives on until its time: so no long ones. */
const TIMER_MAX_MS = 60_000;

/**
 * AbortSignal.timeout stands for setTimeout throughout: the first call of setTimeout loads Node's timers,
 * which adds 7 ms to the start and 4 MB to the resident memory.
 */
export const clock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    const endMs = performance.now() + ms;
    for (let left = ms; left > 0 && !signal?.aborted; left = endMs - performance.now()) {
      const timer = AbortSignal.timeout(Math.ceil(Math.min(left, TIMER_MAX_MS)));
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.removeEventListener("abort", done);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        timer.addEventListener("abort", done);
        signal?.addEventListener("abort", done);
      });
    }
  },
};

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

/** How long a killed program gets to be gone; in D state it outlives SIGKILL. */
const KILL_GRACE_MS = 1000;

/** Kills a program at its limit, and does not wait for what it left behind with its pipes. */
async function killAt(
  child: Deno.ChildProcess,
  limitMs: number,
  signal: AbortSignal,
  ended: AbortSignal,
) {
  await clock.sleep(limitMs, AbortSignal.any([signal, ended]));
  if (!ended.aborted) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended itself.
    }
    await clock.sleep(KILL_GRACE_MS, ended);
  }
  return [{ code: 137, signal: "SIGKILL" }, "", ""] as const;
}

/** blkid says some 200 bytes of a device; what a program prints beyond this is no answer. */
const OUTPUT_MAX_BYTES = 1024 ** 2;

/**
 * All that a program prints; `null` where it is more than anybody wants to know.
 *
 * @param left ends it, for what a killed program left behind can hold the pipe for ever.
 */
async function readOutput(
  stream: ReadableStream<Uint8Array>,
  left: AbortSignal,
): Promise<string | null> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  const close = () => void reader.cancel().catch(() => {});
  left.addEventListener("abort", close);
  let text = "";
  let sizeBytes = 0;
  try {
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) return text + decoder.decode();
      sizeBytes += value.length;
      if (sizeBytes > OUTPUT_MAX_BYTES) return null;
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    left.removeEventListener("abort", close);
    close();
  }
}

/** Deno knows no name for a real-time signal (signal(7)) and fails on it: told as the shell tells it. */
function realTimeStatus(error: unknown): ServerStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof Error ? error.message : "")?.[1];
  if (number === undefined) throw error;
  return { code: 128 + Number(number), signal: null };
}

/** Programs that SIGKILL has not ended, by what was run: in the kernel they wait for a disk, as the next one would. */
const stuck = new Map<string, number>();

export const programs: Programs = {
  async output(program, args, limitMs, stop) {
    const call = [program, ...args].join("\0");
    const before = stuck.get(call);
    if (before !== undefined) {
      throw new Error(
        `"${program}" (process ${before}) hangs in the kernel, and SIGKILL does not end it; ` +
          "a disk does not answer",
      );
    }
    const child = new Deno.Command(program, {
      args: [...args],
      // Its own can be gone, with its disk or without.
      cwd: "/",
      // Its messages in English, as the log; labels come as M-CM-) in every locale.
      env: { LC_ALL: "C.UTF-8" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const ended = new AbortController();
    const killed = killAt(child, limitMs, stop, ended.signal);
    let status: Deno.CommandStatus | undefined;
    const gone = child.status.then((it) => status = it);
    const printed = [child.stdout, child.stderr].map((it) => readOutput(it, ended.signal));
    const output = Promise.all([gone, ...printed] as const);
    const [{ code, signal }, stdout, stderr] = await Promise.race([output, killed]);
    ended.abort();
    if (status === undefined) {
      stuck.set(call, child.pid);
      void gone.finally(() => stuck.delete(call));
    }
    if (stdout === null || stderr === null) {
      throw new Error(`"${program}" printed more than ${OUTPUT_MAX_BYTES / 1024 ** 2} MiB`);
    }
    return { code, signal, stdout, stderr };
  },
  start(program, args, variables = {}) {
    const child = new Deno.Command(program, {
      args: [...args],
      cwd: "/",
      env: { ...variables },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    return {
      pid: child.pid,
      status: child.status.then(
        ({ code, signal }) => ({ code, signal: signal as SignalName | null }),
        realTimeStatus,
      ),
      kill(signal) {
        try {
          child.kill(signal as Deno.Signal);
        } catch {
          // It has ended meanwhile; its status is on the way.
        }
      },
    };
  },
};

function connectsTo(error: unknown): "in use" | "other" {
  return error instanceof Deno.errors.AddrInUse ? "in use" : "other";
}

export const sockets: Sockets = {
  tcpFault(host, port) {
    // Go listens on both families where no host is given; a host without IPv6 has the other one alone.
    let fault: "in use" | "other" | null = null;
    for (const hostname of host === "" ? ["::", "0.0.0.0"] : [host]) {
      try {
        Deno.listen({ hostname, port }).close();
        return Promise.resolve(null);
      } catch (error) {
        fault = connectsTo(error);
        if (fault === "in use") break;
      }
    }
    return Promise.resolve(fault);
  },
  async unixAnswers(path) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
      return true;
    } catch (error) {
      // A full backlog (EAGAIN) and a datagram socket (EPROTOTYPE) belong to a program that lives.
      return !(error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.NotFound);
    }
  },
};

/** Character devices that programs open all the time: no disk hides behind them. */
const NOISE = /^\/dev\/(null|zero|full|u?random|tty.*|ptmx|console|kmsg|fuse|net)$/;

/** A watch on a directory of device nodes; where it cannot be watched, `next` only waits. */
export function watchDevices(directory = "/dev"): DeviceEvents {
  const written = new Set<string>();
  let happened = false;
  let wake = () => {};
  let watcher: Deno.FsWatcher | undefined;
  const seenMs = new Map<string, number>();
  const startMs = Date.now();
  try {
    watcher = Deno.watchFs(directory, { recursive: false });
  } catch {
    // No inotify instance is left, or no such directory: the look each second still finds the disk.
  }

  /**
   * Whether a node was written to since it was last asked. A newer kernel tells a watcher of /dev nothing of
   * writes to devices, only that they were opened and closed; the node's mtime moves with both.
   */
  async function isWritten(path: string): Promise<boolean> {
    const mtimeMs = (await Deno.stat(path).catch(() => null))?.mtime?.getTime();
    if (mtimeMs === undefined) return false;
    const before = seenMs.get(path) ?? startMs;
    seenMs.set(path, mtimeMs);
    return mtimeMs > before;
  }

  async function pump(): Promise<void> {
    for await (const event of watcher ?? []) {
      const paths = event.paths.filter((path) => !NOISE.test(path));
      if (paths.length === 0) continue;
      for (const path of paths) {
        if (event.kind !== "access" || await isWritten(path)) written.add(path);
      }
      happened = true;
      wake();
    }
  }
  const pumping = pump().catch(() => {});

  return {
    async next(ms, signal) {
      const limit = new AbortController();
      wake = () => limit.abort();
      if (!happened) await clock.sleep(ms, AbortSignal.any([signal, limit.signal]));
      if (!happened) return null;
      happened = false;
      const event = { written: [...written] };
      written.clear();
      return event;
    },
    close() {
      watcher?.close();
      void pumping;
    },
  };
}
