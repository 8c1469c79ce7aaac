/**
 * Giving memory back.
 *
 * @module
 */
import { MADV_DONTNEED } from "../mod/linux.ts";
import type { Libc } from "./libc.ts";

/**
 * Gives back pages of code that are not needed any more, and of the heap garbage and free memory (after
 * the start 2 MB); the pages at the next time where no descriptor is left now.
 */
export function releaseMemory(libc: Libc, what: "code" | "heap and code"): void {
  if (what === "heap and code") {
    collectGarbage();
    libc.malloc_trim(0n);
  }
  try {
    releaseCode(libc);
  } catch {
    // Nothing but memory depends on it.
  }
}

type Collect = (options: { type: "major"; flavor: "last-resort" }) => void;

/**
 * The whole of V8's collector, compaction too: 20 ms. Only where the program is installed, with V8's
 * `--expose-gc` (src/extensions/gc-extension.cc); by itself V8 leaves an idle heap as it is.
 */
function collectGarbage(): void {
  (globalThis as { gc?: Collect }).gc?.({ type: "major", flavor: "last-resort" });
}

/**
 * Unmaps the pages of this program's own code that start-up has touched and idling does not need, about
 * 15 MB: they stay in the page cache, and what is needed again comes back by a minor fault. Only
 * mappings that can be executed are taken: nothing was ever written to them. See madvise(2).
 */
function releaseCode(libc: Libc): void {
  const program = Deno.execPath();
  for (const line of Deno.readTextFileSync("/proc/self/maps").split("\n")) {
    const [, start, end, path] = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+ +(.*)$/.exec(line) ??
      [];
    if (path !== program) continue;
    const from = BigInt(`0x${start}`);
    libc.madvise(Deno.UnsafePointer.create(from), BigInt(`0x${end}`) - from, MADV_DONTNEED);
  }
}
