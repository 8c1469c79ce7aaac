/** The figures by which a process that runs for hours is judged. */
import assert from "node:assert/strict";
import { type Look, memoryGrowth, minOf } from "../support/growth.ts";

const look = (minutes: number, residentKib: number, descriptors = 20): Look => ({
  minutes,
  residentKib,
  descriptors,
});

Deno.test("growth is a slope in KiB an hour, also through noise", () => {
  assert.equal(memoryGrowth([look(0, 1000), look(60, 1600)]), 600);
  const noisy = Array.from({ length: 100 }, (_, i) => look(i, 30_000 + i * 10 + (i % 2) * 500));
  assert.ok(Math.abs(memoryGrowth(noisy) - 600) < 20, `${memoryGrowth(noisy)}`);
  const flat = Array.from({ length: 100 }, (_, i) => look(i, 30_000 + (i % 3) * 400));
  assert.ok(Math.abs(memoryGrowth(flat)) < 20, `${memoryGrowth(flat)}`);
  // Given back each minute and needed again at once: a look in between is rare, and falls anywhere.
  const given = Array.from(
    { length: 780 },
    (_, i) => look(i / 6, 44_000 + i - (i % 37 === 0 ? 5000 : 0)),
  );
  assert.ok(Math.abs(memoryGrowth(given) - 360) < 40, `${memoryGrowth(given)}`);
  assert.ok(Number.isNaN(memoryGrowth([look(1, 1)])), "one look tells nothing");
});

Deno.test("what is held for a moment only does not count", () => {
  assert.equal(minOf([look(0, 1, 22), look(1, 1, 20), look(2, 1, 25)], "descriptors"), 20);
});
