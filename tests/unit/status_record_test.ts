/** The status file, read back and broken in every way. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Phase } from "../../mod/progress.ts";
import {
  formatStatusRecord,
  isPidName,
  parseStatusRecord,
  statusName,
  type StatusRecord,
} from "../../mod/status_record.ts";
import { statusText } from "../../mod/status_text.ts";
import { mutate } from "../support/mutate.ts";
import { prove } from "../support/soak.ts";
import { RUNS, tolerate } from "./fixture.ts";

const RECORD: StatusRecord = {
  version: 1,
  wrapper: { pid: 812, startTime: "4711" },
  phase: "serving",
  sinceMs: 90_000,
  text: 'serving "/mnt/backup/restic" from "/dev/sda1"',
  source: "UUID=5e1c",
  target: "/mnt/backup",
  fstype: "ext4",
  devices: ["/dev/sda1"],
  server: { pid: 830, startTime: "4720" },
  starts: 1,
  losses: 0,
  restarts: 0,
  failure: { text: "Cannot mount", atMs: 80_000 },
  ended: null,
};

const PHASES: readonly Phase[] = [
  ...["starting", "waiting", "mounting", "serving", "stopping", "unmounting"] as const,
];
const mark = fc.record({ pid: fc.nat(), startTime: fc.string() }, { noNullPrototype: true });
const text = fc.option(fc.stringMatching(/^[ -9;-~é]*$/), { nil: null });
const time = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const record: fc.Arbitrary<StatusRecord> = fc.record({
  version: fc.constant(1 as const),
  wrapper: mark,
  phase: fc.constantFrom(...PHASES),
  sinceMs: time,
  text: fc.string(),
  source: fc.constantFrom("UUID=5e1c", "server:/export", "/dev/sda1", null),
  target: text,
  fstype: text,
  devices: fc.array(fc.constantFrom("/dev/sda1", "/dev/sdb")),
  server: fc.option(mark, { nil: null }),
  starts: fc.nat(),
  losses: fc.nat(),
  restarts: fc.nat(),
  failure: fc.option(
    fc.record({ text: fc.string(), atMs: time }, { noNullPrototype: true }),
    { nil: null },
  ),
  ended: text,
}, { noNullPrototype: true });

Deno.test("what a run writes is read back as it was", () => {
  fc.assert(
    fc.property(record, (record) => {
      assert.deepEqual(parseStatusRecord(formatStatusRecord(record)), record);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("a file that lacks a field, or has another type in it, is no record", () => {
  const wrong: readonly unknown[] = [undefined, true, -1, "x", [1], { pid: "1" }, { text: 1 }];
  for (const name of Object.keys(RECORD)) {
    for (const value of wrong) {
      const takesText = ["text", "source", "target", "fstype", "ended"].includes(name);
      if (takesText && value === "x") continue;
      const broken = JSON.stringify({ ...RECORD, [name]: value });
      assert.throws(() => parseStatusRecord(broken), SyntaxError, `${name}: ${value}`);
    }
  }
});

Deno.test("a file of another version, or no record at all, is a SyntaxError", () => {
  const texts = ["", "{", "null", "[]", "1", '"x"', JSON.stringify({ ...RECORD, version: 2 })];
  for (const text of texts) assert.throws(() => parseStatusRecord(text), SyntaxError, text);
});

Deno.test("any text is a whole record or a SyntaxError", async () => {
  const corpus = [formatStatusRecord(RECORD), formatStatusRecord({ ...RECORD, server: null })];
  const words = ["null", "{}", "[]", '"pid":', "1e999", "-1", '"__proto__":', "[[[["];
  await prove({ name: "status records", ci: 3000, soak: 1_000_000 }, (tally) => {
    for (; tally.done < tally.count; tally.done++) {
      const input = mutate(corpus, words, tally.random);
      const parsed = tolerate(SyntaxError, () => parseStatusRecord(input));
      if (parsed === undefined) continue;
      // What is taken for whole can be written again, and shown.
      parseStatusRecord(formatStatusRecord(parsed));
      const seen = { alive: false, serverAlive: false, mount: null, space: null, listening: null };
      const status = {
        instances: [{ ...seen, record: parsed, path: "/run/x.status", why: "gone" }],
        why: null,
      };
      statusText(status, { bootMs: 100_000, wallMs: Date.now() }, false);
    }
    return Promise.resolve();
  });
});

Deno.test("the password of a network share is not in the file", () => {
  const source = "//me:hunter2@server/share";
  const text = formatStatusRecord({ ...RECORD, source, devices: [source] });
  assert.equal(text.includes("hunter2"), false);
  assert.equal(parseStatusRecord(text).source, "//me:***@server/share");
});

Deno.test("a target has one name, a run without a mount that of its process", async () => {
  assert.equal(await statusName("/mnt/a b", 7), "%2Fmnt%2Fa%20b.status");
  assert.equal(await statusName(null, 7), "pid-7.status");
  assert.equal(isPidName("pid-7.status"), true);
  assert.equal(isPidName(await statusName("/pid-7", 7)), false);
  const long = await statusName(`/${"x".repeat(4000)}`, 7);
  assert.match(long, /\.status$/);
  assert.ok(long.length < 240, "there is room for the name of what is not yet in place");
});
