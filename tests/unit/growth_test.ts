/** The figures by which a process that runs for hours is judged. */
import assert from "node:assert/strict";
import { leastOfEach, type Look, memoryGrowth, minOf } from "../support/growth.ts";

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
  assert.ok(Number.isNaN(memoryGrowth([look(1, 1)])), "one look tells nothing");
});

Deno.test("what is held for a moment only does not count", () => {
  assert.equal(minOf([look(0, 1, 22), look(1, 1, 20), look(2, 1, 25)], "descriptors"), 20);
});

Deno.test("what is given back each 10 minutes is no growth, what stays is", () => {
  // It gives back 5 MB each 10 minutes, and needs them again sooner each time; 300 KiB an hour stay.
  const looks = Array.from({ length: 130 }, (_, i) => {
    const needed = i % 10 > 9 - i / 15 ? 5000 : 0;
    return look(i, 44_000 + i * 5 + needed);
  });
  assert.ok(memoryGrowth(looks) > 1500, `${memoryGrowth(looks)}`);
  const kept = memoryGrowth(leastOfEach(10, looks));
  assert.ok(Math.abs(kept - 300) < 20, `${kept}`);
});
