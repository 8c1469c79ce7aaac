import assert from "node:assert/strict";
import { announced } from "../../mod/announce.ts";
import { FakeWorld } from "../support/fake_world.ts";

Deno.test("P7: announced() says every 10 s which call does not return, and nothing after it", async () => {
  const fake = new FakeWorld();
  const call = Promise.withResolvers<number>();
  const waiting = announced("mount(2) of x", call.promise, fake.world("host"));
  await fake.advance(9_999);
  assert.deepEqual(fake.lines, []);
  await fake.advance(20_001);
  assert.deepEqual(
    fake.lines,
    [10, 20, 30].map((seconds) =>
      `warning: still in mount(2) of x for ${seconds} s; is the disk hanging?`
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
