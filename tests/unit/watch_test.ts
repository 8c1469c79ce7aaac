import assert from "node:assert/strict";
import type { Mounted } from "../../mod/mount.ts";
import {
  releaseWhenQuiet,
  sectorsWritten,
  SYNC_EVERY_MS,
  syncWhenWritten,
} from "../../mod/watch.ts";
import { filesOf, worldOf } from "./fake_parts.ts";

Deno.test("sectorsWritten() takes field 7 of the kernel's block/stat.rst", () => {
  const cases: [string, string | undefined][] = [
    ["     1        2      3     4     5   6   77   8   9   10   11   0 0 0 0 0 0\n", "77"],
    ["1 2 3 4 5 6 18446744073709551615 8", "18446744073709551615"],
    ["1 2 3 4 5 6\n", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(sectorsWritten(text), expected);
});

const stat = (written: number) => `1 2 3 4 5 6 ${written} 8\n`;

/** Looks as often as there are counts of sectors; says after which looks it synced, and what it said. */
async function watch(
  counts: readonly (readonly number[])[],
  syncs: readonly boolean[] = [],
): Promise<{ synced: number[]; errors: string[] }> {
  const numbers = (counts[0] ?? []).map((_, i) => `8:${i}`);
  const done = new AbortController();
  const synced: number[] = [];
  const errors: string[] = [];
  let looks = 0;
  const files = () =>
    filesOf(Object.fromEntries(
      numbers.map((number, i) => [`/sys/dev/block/${number}/stat`, stat(counts[looks]![i]!)]),
    ));
  const world = worldOf({
    files: { ...files(), readText: (path) => files().readText(path) },
    clock: {
      now: () => 0,
      sleep(ms) {
        assert.equal(ms, SYNC_EVERY_MS);
        if (++looks === counts.length) done.abort();
        return Promise.resolve();
      },
    },
    log: { info() {}, warn() {}, error: (message) => void errors.push(message) },
  });
  const mounted = {
    found: { source: "/dev/sda", majorMinors: numbers },
    sync() {
      synced.push(looks);
      return Promise.resolve(syncs[synced.length - 1] ?? true);
    },
  };
  await syncWhenWritten(mounted as unknown as Mounted, world, done.signal);
  return { synced, errors };
}

Deno.test("P6: syncWhenWritten() syncs once after each look that saw a write, on any member", async () => {
  const cases: [number[][], number[]][] = [
    [[[1], [1], [1], [1]], []],
    [[[1], [2], [2], [3], [3]], [1, 3]],
    [[[1, 1], [1, 2], [1, 2], [2, 2], [2, 2]], [1, 3]],
    // A counter that begins anew, as after a disk was pulled, is a change too.
    [[[5], [0], [0]], [1]],
    // No device, no counter: a network file system keeps its own time.
    [[[]], []],
  ];
  for (const [counts, expected] of cases) {
    assert.deepEqual((await watch(counts)).synced, expected, JSON.stringify(counts));
  }
});

Deno.test("P6: syncWhenWritten() says once that the disk refuses, and again after it took some", async () => {
  const counts = Array.from({ length: 8 }, (_, i) => [i]);
  const { synced, errors } = await watch(counts, [true, false, false, true, false, false]);
  assert.deepEqual(synced, [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(errors.length, 2);
  assert.match(
    errors[0]!,
    /^Cannot write everything to "\/dev\/sda": the disk refused; .*run restic check$/,
  );
});

Deno.test("memory is given back once the start is over, then code each minute, the heap each tenth", async () => {
  const done = new AbortController();
  const log: string[] = [];
  let atMs = 0;
  const world = worldOf({
    clock: {
      now: () => 0,
      sleep(ms) {
        atMs += ms;
        if (atMs > 1_300_000) done.abort();
        return Promise.resolve();
      },
    },
    releaseMemory: (what) => void log.push(`${atMs / 1000} ${what}`),
  });
  await releaseWhenQuiet(world, done.signal);
  const expected = Array.from(
    { length: 22 },
    (_, i) => `${2 + i * 60} ${i % 10 === 0 ? "heap and code" : "code"}`,
  );
  assert.deepEqual(log, expected);
});

Deno.test("a run that ends within the start gives nothing back", async () => {
  const done = new AbortController();
  const world = worldOf({
    clock: { now: () => 0, sleep: () => Promise.resolve(done.abort()) },
    releaseMemory: () => assert.fail("given back"),
  });
  await releaseWhenQuiet(world, done.signal);
});
