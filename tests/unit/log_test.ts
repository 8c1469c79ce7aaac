import assert from "node:assert/strict";
import { clock } from "../../mod/edges.ts";
import { createLog } from "../../mod/log.ts";
import { within } from "../support/wait.ts";

/** A kind of line that is never held back. */
const CHECK = { event: "check" } as const;
const FLUSH_MS = 60_000;

/** Keeps what is written. */
class Sink {
  text = "";
  writes = 0;
  readonly write = (bytes: Uint8Array): Promise<number> => {
    this.writes++;
    this.text += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  };
  /** The lines without time and name. */
  get messages(): string[] {
    return this.text.split("\n").slice(0, -1).map((line) => line.replace(/^.*?-server: /, ""));
  }
}

Deno.test("createLog() writes all lines in the order in which they were said", async () => {
  const sink = new Sink();
  const log = createLog(sink.write, clock);
  const expected: string[] = [];
  for (let i = 0; i < 300; i += 3) {
    log.info(`line ${i}`, CHECK);
    log.warn(`line ${i + 1}`, CHECK);
    log.error(`line ${i + 2}`, CHECK);
    expected.push(`line ${i}`, `warning: line ${i + 1}`, `error: line ${i + 2}`);
    if (i % 30 === 0) await null;
  }
  await log.flush(FLUSH_MS);
  assert.deepEqual(sink.messages, expected);
});

Deno.test("createLog() takes a message as it stands, not as a template", async () => {
  const sink = new Sink();
  const log = createLog(sink.write, clock);
  for (const message of ["{line}", "{{}}", "%s %d", "{level} $1", "__proto__"]) {
    log.info(message, CHECK);
  }
  await log.flush(FLUSH_MS);
  assert.deepEqual(sink.messages, ["{line}", "{{}}", "%s %d", "{level} $1", "__proto__"]);
});

Deno.test("createLog() goes on in order when its library comes, at whatever moment", async () => {
  const sink = new Sink();
  // The start is over at once, so that the first line loads the library beside the others.
  let nowMs = 0;
  const log = createLog(sink.write, { ...clock, now: () => nowMs += 10_000 });
  const expected: string[] = [];
  for (let i = 0; i < 50; i++) {
    log.warn(`{line} ${i}`, CHECK);
    expected.push(`warning: {line} ${i}`);
    if (i === 25) await import("@logtape/logtape");
    await new Promise((resolve) => setTimeout(resolve));
  }
  await log.flush(FLUSH_MS);
  assert.deepEqual(sink.messages, expected);
});

Deno.test("setFormat() changes the form of the lines to come", async () => {
  const sink = new Sink();
  const log = createLog(sink.write, clock);
  log.info("first", CHECK);
  await log.flush(FLUSH_MS);
  log.setFormat("json");
  log.warn("second", { event: "serving", path: "/a" });
  await log.flush(FLUSH_MS);
  log.setFormat("text");
  log.error("third", CHECK);
  await log.flush(FLUSH_MS);
  const [first, second, third, ...more] = sink.text.trimEnd().split("\n");
  assert.match(first!, /^\d{4}-.*Z \+\d+s restic-rest-server: first$/);
  const { level, message, path } = JSON.parse(second!);
  assert.deepEqual([level, message, path], ["warning", "second", "/a"]);
  assert.match(third!, /: error: third$/);
  assert.deepEqual(more, []);
});

Deno.test("createLog() goes on where a write took only some of the bytes", async () => {
  let text = "";
  const log = createLog((bytes) => {
    text += new TextDecoder("latin1").decode(bytes.subarray(0, 3));
    return Promise.resolve(Math.min(3, bytes.length));
  }, clock);
  log.info("a long line in small pieces", CHECK);
  log.info("and another", CHECK);
  await log.flush(FLUSH_MS);
  assert.match(text, /: a long line in small pieces\n.*: and another\n$/);
});

Deno.test("P7: flush() ends within its limit though the reader does not read", async () => {
  const stuck = Promise.withResolvers<number>();
  const log = createLog(() => stuck.promise, clock);
  for (let i = 0; i < 10; i++) log.info(`line ${i}`, CHECK);
  await within(log.flush(20), "flush of a stuck log");
  await within(log.flush(0), "flush without patience");
  stuck.resolve(1 << 20);
  await log.flush(FLUSH_MS);
});

Deno.test("a slow reader costs the oldest lines, and their number is said", async () => {
  const sink = new Sink();
  const first = Promise.withResolvers<void>();
  const log = createLog(async (bytes) => {
    await first.promise;
    return await sink.write(bytes);
  }, clock);
  log.info("in flight", CHECK);
  await log.flush(20);
  for (let i = 0; i < 1500; i++) log.info(`line ${i}`, CHECK);
  await log.flush(20);
  first.resolve();
  await log.flush(FLUSH_MS);
  assert.equal(sink.messages[0], "in flight");
  assert.match(sink.messages[1]!, /\b500 lines were dropped here$/);
  assert.equal(sink.messages[2], "line 500");
  assert.equal(sink.messages.at(-1), "line 1499");
  assert.equal(sink.messages.length, 1002);
});

// A program that reads JSON would fail on a line of text.
Deno.test("each line of the json form is an object, also where lines were dropped", async () => {
  const sink = new Sink();
  const first = Promise.withResolvers<void>();
  const log = createLog(async (bytes) => {
    await first.promise;
    return await sink.write(bytes);
  }, clock);
  log.setFormat("json");
  log.info("in flight", CHECK);
  await log.flush(20);
  for (let i = 0; i < 1001; i++) log.info(`line ${i}`, CHECK);
  first.resolve();
  await log.flush(FLUSH_MS);
  for (const line of sink.text.trimEnd().split("\n")) JSON.parse(line);
});

Deno.test("a writer that fails is no failure of the program, and later lines are tried again", async () => {
  const sink = new Sink();
  let broken = true;
  const log = createLog(
    (bytes) => broken ? Promise.reject(new Deno.errors.BrokenPipe("gone")) : sink.write(bytes),
    clock,
  );
  log.info("lost", CHECK);
  await log.flush(FLUSH_MS);
  broken = false;
  log.info("back", CHECK);
  await log.flush(FLUSH_MS);
  assert.deepEqual(sink.messages, ["back"]);
});

Deno.test("flush() of a log that said nothing writes nothing", async () => {
  const sink = new Sink();
  await createLog(sink.write, clock).flush(FLUSH_MS);
  assert.equal(sink.writes, 0);
});

// A line that is said just as the queue runs empty must not wait for the next one.
Deno.test("flush() leaves no line behind, at whatever moment it was said", async () => {
  for (let microtasks = 0; microtasks < 40; microtasks++) {
    const sink = new Sink();
    const log = createLog(sink.write, clock);
    log.info("load", CHECK);
    await log.flush(FLUSH_MS);
    log.info("first", CHECK);
    for (let i = 0; i < microtasks; i++) await null;
    log.info("second", CHECK);
    await log.flush(FLUSH_MS);
    assert.deepEqual(sink.messages, ["load", "first", "second"], `${microtasks} microtasks`);
  }
});

Deno.test("a stderr that does not block and is full gets every line once it is read again", async () => {
  const sink = new Sink();
  let full = 3;
  const log = createLog((bytes) => {
    if (full-- > 0) return Promise.reject(new Deno.errors.WouldBlock("full"));
    return sink.write(bytes);
  }, clock);
  log.info("first", CHECK);
  log.info("second", CHECK);
  await log.flush(FLUSH_MS);
  assert.deepEqual(sink.messages, ["first", "second"]);
});
