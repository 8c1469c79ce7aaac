import assert from "node:assert/strict";
import { ERRNO } from "../../mod/linux.ts";
import { Progress } from "../../mod/progress.ts";
import { tellManager } from "../../mod/systemd.ts";

/** A manager that answers with these errnos, then takes everything; time passes only by `pass`. */
function manager(errnos: number[] = [], environment: Record<string, string> = {}) {
  const sent: string[] = [];
  const warnings: string[] = [];
  const stop = new AbortController();
  const progress = new Progress(() => 0);
  let sleepers: { ms: number; wake: () => void }[] = [];
  let open = true;
  const close = tellManager(
    {
      send(message) {
        assert.ok(open);
        const errno = errnos.shift() ?? 0;
        if (errno === 0) sent.push(new TextDecoder().decode(message));
        return errno;
      },
      close: () => open = false,
    },
    environment,
    60_000,
    stop.signal,
    {
      pid: 7,
      progress,
      log: { info() {}, error() {}, warn: (line) => warnings.push(line) },
      clock: {
        now: () => 0,
        sleep(ms, signal) {
          const slept = Promise.withResolvers<void>();
          sleepers.push({ ms, wake: slept.resolve });
          signal?.addEventListener("abort", () => slept.resolve());
          return slept.promise;
        },
      },
    },
  );
  return {
    sent,
    warnings,
    progress,
    stop,
    close,
    /** Ends all sleeps of now; gives how long each was to be. */
    async pass(): Promise<number[]> {
      const now = sleepers;
      sleepers = [];
      for (const { wake } of now) wake();
      for (let i = 0; i < 5; i++) await Promise.resolve();
      return now.map(({ ms }) => ms);
    },
  };
}

Deno.test("tellManager() says READY once, with the first state, and each new status once", () => {
  const { sent, progress } = manager();
  progress.note({ source: "UUID=x", target: "/mnt" });
  progress.enter("waiting", "waiting for UUID=x: no such device");
  progress.enter("waiting", "waiting for UUID=x: no such device");
  progress.enter("mounting", "mounting", { devices: ["/dev/sda"] });
  progress.note({ starts: 1 });
  assert.deepEqual(sent, [
    "READY=1\nSTATUS=waiting for UUID=x\n",
    "STATUS=waiting for UUID=x: no such device\n",
    "STATUS=mounting\n",
  ]);
});

Deno.test("tellManager() says no READY of a program that fails before it begins", () => {
  const { sent, progress } = manager();
  progress.failed("Cannot find rest-server");
  assert.deepEqual(sent, ["STATUS=starting; last failure: Cannot find rest-server\n"]);
});

Deno.test("tellManager() says STOPPING when a stop begins, in whatever phase", () => {
  const { sent, stop } = manager();
  stop.abort("SIGTERM");
  assert.deepEqual(sent, ["STOPPING=1\nEXTEND_TIMEOUT_USEC=120000000\n"]);
});

Deno.test("tellManager() asks for more time while a stop lasts, and at last for no more", async () => {
  const { sent, stop, pass } = manager();
  stop.abort("SIGTERM");
  let minutes = 0;
  for (; (await pass()).length > 0; minutes += 0.5);
  assert.equal(sent.shift(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=120000000\n");
  // MNT_STOP, and 10 minutes for the disk.
  assert.equal(sent.length, 22);
  assert.deepEqual([...new Set(sent)], ["EXTEND_TIMEOUT_USEC=60000000\n"]);
  assert.equal(minutes, 11);
});

Deno.test("tellManager() sends what a full queue did not take later, the newest alone", async () => {
  const { sent, progress, stop, pass } = manager([ERRNO.EAGAIN, ERRNO.EAGAIN]);
  progress.enter("waiting", "one");
  progress.enter("waiting", "two");
  assert.deepEqual(await pass(), [100]);
  stop.abort("SIGTERM");
  assert.deepEqual(sent, []);
  await pass();
  assert.equal(sent[0], "READY=1\nSTATUS=two\nSTOPPING=1\nEXTEND_TIMEOUT_USEC=120000000\n");
});

Deno.test("tellManager() says once that nobody hears it, and goes on trying", () => {
  const { sent, warnings, progress } = manager([ERRNO.ECONNREFUSED, ERRNO.ENOENT]);
  for (const text of ["one", "two", "three"]) progress.enter("waiting", text);
  assert.deepEqual(sent, ["STATUS=three\n"]);
  assert.deepEqual(warnings.map((line) => /: (E\w+);/.exec(line)?.[1]), ["ECONNREFUSED"]);
});

Deno.test("tellManager() gives a sign of life at half of the time, whatever else happens", async () => {
  const { sent, close, pass } = manager([], { WATCHDOG_USEC: "180000000" });
  assert.deepEqual(await pass(), [90_000]);
  assert.deepEqual(await pass(), [90_000]);
  assert.deepEqual(sent, ["WATCHDOG=1\n", "WATCHDOG=1\n"]);
  close();
  await pass();
  assert.equal(sent.length, 2);
});

Deno.test("tellManager() gives no sign of life where none is asked of this process", async () => {
  const { pass } = manager([], { WATCHDOG_USEC: "180000000", WATCHDOG_PID: "8" });
  assert.deepEqual(await pass(), []);
});
