/**
 * A watch on device nodes, over Deno's own API.
 *
 * @module
 */
import { clock } from "./edge_clock.ts";
import type { DeviceEvents } from "./world.ts";

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
