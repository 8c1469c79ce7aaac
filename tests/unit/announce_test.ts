import assert from "node:assert/strict";
import { announced, nextReminderMs, REMIND_AFTER_MS, Reminder } from "../../mod/announce.ts";
import { FakeWorld } from "../support/fake_world.ts";

Deno.test("P7: announced() says after 10, 20 and 40 s which call does not return, and nothing after it", async () => {
  const fake = new FakeWorld();
  const call = Promise.withResolvers<number>();
  const waiting = announced("mount(2) of x", call.promise, fake.world("host"));
  await fake.advance(9_999);
  assert.deepEqual(fake.lines, []);
  await fake.advance(30_001);
  assert.deepEqual(
    fake.lines,
    [10, 20, 40].map((seconds) =>
      `warning: still waiting for mount(2) of x after ${seconds} s; is the disk, or its server, hanging?`
    ),
  );
  call.resolve(7);
  assert.equal(await waiting, 7);
  await fake.advance(60_000);
  assert.equal(fake.lines.length, 3);
});

Deno.test("announced() hands a failure on", async () => {
  const world = new FakeWorld().world("host");
  await assert.rejects(announced("x", Promise.reject(new Error("no")), world), /^Error: no$/);
});

Deno.test("P7: a wait is said after 1, 2, 4 minutes and so on, and at least each hour", () => {
  const minutes: number[] = [];
  for (let ms = 0; ms < 5 * 3_600_000;) {
    ms = nextReminderMs(ms, REMIND_AFTER_MS);
    minutes.push(ms / 60_000);
  }
  assert.deepEqual(minutes, [1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304]);
});

Deno.test("a Reminder has a new text said at once, and one that stays as time goes by", () => {
  let nowMs = 0;
  const reminder = new Reminder({ now: () => nowMs, sleep: () => Promise.resolve() });
  const due: string[] = [];
  for (; nowMs <= 600_000; nowMs += 10_000) {
    const text = nowMs < 300_000 ? "a" : "b";
    if (reminder.isDue(text)) due.push(`${text} ${nowMs / 1000}`);
  }
  assert.deepEqual(due, ["a 0", "a 60", "a 120", "a 240", "b 300", "b 360", "b 420", "b 540"]);
});
