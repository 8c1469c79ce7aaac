/** P7 in a log of 100 lines: what waits, retries or flaps for a day leaves room, and its newest line is true. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { calm, FREE_LINES } from "../../mod/calm.ts";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import type { LineFacts } from "../../mod/events.ts";
import type { Platform } from "../../mod/exit.ts";
import { ERRNO } from "../../mod/linux.ts";
import { run } from "../../mod/run.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { Signals } from "../../mod/signals.ts";
import { FakeWorld, TARGET } from "../support/fake_world.ts";
import { assertFacts } from "../support/log_lines.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Of the 100 lines that gokrazy keeps. */
const DAY_MAX_LINES = 40;
/** What the first hour may add to a day that is quiet afterwards. */
const START_MAX_LINES = 10;
const DISK = { path: "/dev/sda1", minor: 1, uuid: "wanted", label: "backup" };
const TWIN = { path: "/dev/sdb1", minor: 17, uuid: "wanted", label: "other" };
const ARGS = ["--path", `${TARGET}/restic`, "--no-auth"];

/** A calm log, and what comes through it. */
function calmLog() {
  const fake = new FakeWorld();
  const said: [seconds: number, message: string, facts: LineFacts][] = [];
  const keep = (message: string, facts: LineFacts) => {
    said.push([fake.nowMs / 1000, message, facts]);
  };
  const log = calm({ info: keep, warn: keep, error: keep }, fake.world("host").clock);
  const say = (message: string) => log.info(message, { event: "waiting" });
  return { fake, log, said, say };
}

Deno.test("calm() lets a burst through, then the newest line after 1, 4, 16 and 60 minutes", async () => {
  const { fake, said, say } = calmLog();
  for (let second = 0; second < 3 * 3600; second++) {
    say(`line ${second}`);
    await fake.advance(1000);
  }
  const burst = said.splice(0, FREE_LINES);
  assert.deepEqual(burst.map(([, message]) => message), burst.map((_, i) => `line ${i}`));
  const pauses = said.map(([seconds], i) => seconds - (i === 0 ? FREE_LINES - 1 : said[i - 1]![0]));
  assert.deepEqual(pauses.map((pause) => Math.round(pause / 60)), [1, 4, 16, 60, 60]);
  for (const [seconds, message, { left_out }] of said) {
    // The newest at that moment; the one that is said then is not left out.
    assert.match(message, new RegExp(`^line ${seconds - 1} \\(\\d+ lines left out\\)$`));
    assert.ok(left_out! > 50);
  }
});

Deno.test("calm() says what it held back before a line that no run says again, and when it is told to", async () => {
  const { fake, log, said, say } = calmLog();
  for (let i = 0; i < FREE_LINES + 3; i++) say(`line ${i}`);
  log.info("stop", { event: "stopping", signal: "SIGTERM" });
  log.info("over", { event: "unmounted" });
  assert.deepEqual(said.slice(FREE_LINES).map(([, message]) => message), [
    `line ${FREE_LINES + 2} (2 lines left out)`,
    "stop",
    "over",
  ]);
  say("more");
  log.release();
  log.release();
  assert.equal(said.at(-1)![1], "more");
  assert.equal(said.length, FREE_LINES + 4);
  await fake.advance(DAY_MS);
  assert.equal(said.length, FREE_LINES + 4);
});

Deno.test("calm() forgets a line in an hour", async () => {
  const { fake, said, say } = calmLog();
  for (let i = 0; i < FREE_LINES; i++) say(`line ${i}`);
  await fake.advance(3 * HOUR_MS);
  for (const message of ["a", "b", "c", "d"]) say(message);
  assert.deepEqual(said.slice(FREE_LINES).map(([, message]) => message), ["a", "b", "c"]);
});

Deno.test("P9: calm() never holds back a trouble that is new, and says it once", async () => {
  const { fake, log, said, say } = calmLog();
  for (let i = 0; i < FREE_LINES + 3; i++) say(`line ${i}`);
  const trouble = (count: number) =>
    log.error(`ext4 has counted ${count} errors`, { event: "disk-trouble", why: "" });
  trouble(1);
  assert.equal(said.at(-1)![1], "ext4 has counted 1 errors");
  assert.match(said.at(-2)![1], /^line \d+ \(2 lines left out\)$/);
  trouble(2);
  assert.equal(said.at(-1)![1], "ext4 has counted 1 errors");
  await fake.advance(2 * HOUR_MS);
  assert.equal(said.at(-1)![1], "ext4 has counted 2 errors");
});

Deno.test("P7: troubles in words that are new each time leave room, too", async () => {
  const { fake, log, said } = calmLog();
  for (let minute = 0; minute < 24 * 60; minute++) {
    log.error(`trouble ${"x".repeat(minute)}`, { event: "disk-trouble", why: "" });
    await fake.advance(60_000);
  }
  assert.ok(said.length <= DAY_MAX_LINES, `${said.length} lines`);
});

Deno.test("P7: whatever is said in a day, it leaves room, and an hour later the newest line is the last one", async () => {
  const gapMs = fc.oneof(fc.nat(1000), fc.nat(120_000), fc.nat(HOUR_MS), fc.nat(3 * HOUR_MS));
  await fc.assert(
    fc.asyncProperty(fc.array(gapMs, { minLength: 1, maxLength: 400 }), async (gaps) => {
      const { fake, said, say } = calmLog();
      let count = 0;
      for (let i = 0; fake.nowMs < DAY_MS && i < 2000; i++) {
        say(`line ${++count}`);
        await fake.advance(gaps[i % gaps.length]!);
      }
      const day = said.filter(([seconds]) => seconds * 1000 <= DAY_MS).length;
      assert.ok(day < DAY_MAX_LINES, `${day} lines`);
      await fake.advance(HOUR_MS);
      assert.match(said.at(-1)![1], new RegExp(`^line ${count}\\b`));
    }),
    { numRuns: 60 },
  );
});

/** The real run in a world in memory. */
function start(world: FakeWorld, platform: Platform = "gokrazy") {
  const settings = mergeSettings({ MNT_SOURCE: "UUID=wanted", MNT_TARGET: TARGET });
  const config = parseConfig(settings, parseServerArgs(ARGS), "/");
  const signals = new Signals();
  const ended = run({ config, args: ARGS, directory: "/", signals, world: world.world(platform) });
  return {
    /** Ends it, whatever hangs; gives how many lines it had said before. */
    async stop(): Promise<number> {
      const said = world.lines.length;
      for (const { facts } of world.records) assertFacts(facts);
      signals.take("SIGTERM", world.nowMs);
      for (let i = 0; i < 20; i++) await world.advance(10_000);
      await ended;
      return said;
    },
  };
}

Deno.test("a normal start and stop on gokrazy is at most 10 lines, one event each", async () => {
  const world = new FakeWorld();
  world.plug(DISK);
  const program = start(world);
  await world.advance(DAY_MS);
  const before = await program.stop();
  assert.deepEqual(world.records.map(({ facts }) => facts.event), [
    ...["mounted", "serving", "stopping", "server-ended", "unmounted"] as const,
  ]);
  assert.equal(before, 2);
  assert.ok(world.lines.every((line) => !line.includes("\n")));
});

Deno.test("a late disk on gokrazy costs its start one line more", async () => {
  const world = new FakeWorld();
  const program = start(world);
  await world.advance(20_000);
  world.plug(DISK);
  await world.advance(5000);
  assert.ok(await program.stop() <= START_MAX_LINES);
  assert.deepEqual(world.records.slice(0, 3).map(({ facts }) => facts.event), [
    ...["waiting", "mounted", "serving"] as const,
  ]);
});

/** What goes on for a day, step by step, and what the newest line says then. */
interface Day {
  readonly prepare?: (world: FakeWorld) => void;
  /** Called each `everyMs`, counting from 0. */
  readonly everyMs: number;
  readonly step: (world: FakeWorld, count: number) => void;
  readonly newest: RegExp;
}

const DAYS: Record<string, Day> = {
  "no disk": {
    everyMs: HOUR_MS,
    step: () => {},
    newest: /^info: waiting for UUID=wanted for \d+ s: no such device/,
  },
  "two disks of one UUID, of which one comes and goes": {
    prepare: (world) => {
      world.plug(DISK);
      world.plug(TWIN);
    },
    everyMs: 5000,
    step: (world, count) =>
      count % 2 === 0
        ? world.plug({ ...TWIN, path: "/dev/sdc1", minor: 33 })
        : world.unplug("/dev/sdc1"),
    newest: /^info: waiting for UUID=wanted.*ambiguous/,
  },
  "mounts that fail by one reason": {
    prepare: (world) => world.plug(DISK),
    everyMs: 500,
    step: (world) => void (world.mountErrors.length || world.mountErrors.push(ERRNO.EIO)),
    newest: /^warning: Cannot mount .* EIO .*trying again/,
  },
  "mounts that fail by two reasons in turn": {
    prepare: (world) => world.plug(DISK),
    everyMs: 500,
    step: (world) =>
      void (world.mountErrors.length || world.mountErrors.push(ERRNO.EIO, ERRNO.EBUSY)),
    newest: /^warning: Cannot mount .* (EIO|EBUSY) .*trying again \(\d+ lines? left out\)$/,
  },
  "a mount(2) that does not return": {
    prepare: (world) => {
      world.plug(DISK);
      world.slowMount = Promise.withResolvers();
    },
    everyMs: HOUR_MS,
    step: () => {},
    newest:
      /^warning: still waiting for mount\(2\) of .* after \d+ s; is the disk, or its server, hanging\?$/,
  },
  "a disk that is pulled and put back each minute": {
    prepare: (world) => world.plug(DISK),
    everyMs: 30_000,
    step: (world, count) => count % 2 === 0 ? world.unplug(DISK.path) : world.plug(DISK),
    newest: / \(\d+ lines? left out\)$/,
  },
  "a disk that is pulled and put back each 20 minutes": {
    prepare: (world) => world.plug(DISK),
    everyMs: 600_000,
    step: (world, count) => count % 2 === 0 ? world.unplug(DISK.path) : world.plug(DISK),
    newest: / \(\d+ lines? left out\)$/,
  },
  "a disk that does not answer": {
    prepare: (world) => {
      world.plug(DISK);
      world.slowDisk = Promise.withResolvers();
    },
    everyMs: HOUR_MS,
    step: () => {},
    newest: /^warning: "\/dev\/sda1" has not answered for \d+ s: it hangs/,
  },
  "a disk that hangs for a quarter of a minute each minute": {
    prepare: (world) => world.plug(DISK),
    everyMs: 15_000,
    step: (world, count) => {
      world.slowDisk?.resolve();
      world.slowDisk = count % 4 === 3 ? Promise.withResolvers() : undefined;
    },
    newest: / \(\d+ lines? left out\)$/,
  },
  "a rest-server that does not end by SIGKILL once its disk is lost": {
    prepare: (world) => {
      world.plug(DISK);
      world.nextServerUndying = true;
    },
    everyMs: HOUR_MS,
    step: (world, count) => count === 1 && world.unplug(DISK.path),
    newest: /^warning: rest-server \(process \d+\) has not ended \d+ s after SIGKILL/,
  },
};

/** All is well again. */
function cure(world: FakeWorld): void {
  world.mountErrors.length = 0;
  world.slowMount?.resolve();
  world.slowDisk?.resolve();
  world.slowMount = world.slowDisk = undefined;
  world.nextServerUndying = false;
  for (const { undying, end } of world.servers) if (undying) end({ code: 137, signal: "SIGKILL" });
  for (const { path } of [...world.disks]) if (path !== DISK.path) world.unplug(path);
  if (world.disks.length === 0) world.plug(DISK);
}

for (const [what, { prepare, everyMs, step, newest }] of Object.entries(DAYS)) {
  Deno.test(`P7: a day with ${what} leaves room in a log of 100 lines`, async () => {
    const world = new FakeWorld();
    prepare?.(world);
    const program = start(world);
    for (let count = 0; world.nowMs < DAY_MS; count++) {
      step(world, count);
      await world.advance(everyMs);
    }
    const lines = [...world.lines];
    assert.ok(lines.length < DAY_MAX_LINES, `${lines.length} lines:\n${lines.join("\n")}`);
    assert.ok(lines.length > 20, "nothing was tried");
    assert.match(lines.at(-1)!, newest, lines.join("\n"));
    cure(world);
    await world.advance(HOUR_MS + 60_000);
    assert.match(world.lines.at(-1)!, /^info: ("\/dev\/sda1" answers again|serving)/);
    await program.stop();
  });
}
