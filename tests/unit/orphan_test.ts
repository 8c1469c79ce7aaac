/** P3: what a dead wrapper left with the lock is ended, and nobody else's process is ever signalled. */
import assert from "node:assert/strict";
import { ERRNO } from "../../mod/linux.ts";
import type { LockRecord } from "../../mod/lock.ts";
import { Orphan } from "../../mod/orphan.ts";
import type { World } from "../../mod/world.ts";
import { filesOf, type Node, worldOf } from "./fake_parts.ts";

const LOCK = "/run/test/a.lock";
const SERVER = { pid: 7, startTime: "70", executable: "/usr/bin/rest-server" };
const DEAD = { pid: 6, startTime: "60" };
const RECORD: LockRecord = { target: "/a", wrapper: DEAD, server: SERVER };

function processNodes(pid: number, startTime: string, executable: string, fds: readonly string[]) {
  const fields = ["S", ...Array.from({ length: 18 }, () => "0"), startTime].join(" ");
  return {
    [`/proc/${pid}/stat`]: `${pid} (x) ${fields} 0\n`,
    [`/proc/${pid}/exe`]: executable,
    [`/proc/${pid}/fd`]: fds.map((_, fd) => String(fd)).join("\n"),
    ...Object.fromEntries(fds.map((link, fd) => [`/proc/${pid}/fd/${fd}`, link])),
  };
}
const ORPHAN = processNodes(7, "70", "/usr/bin/rest-server", ["/dev/null", "pipe:[1]", LOCK]);

interface Given {
  readonly record?: LockRecord | undefined;
  readonly nodes?: Readonly<Record<string, Node>>;
  readonly openErrno?: number;
  readonly killErrno?: number;
  /** Until when the lock is held. */
  readonly heldMs?: number;
  readonly stopMs?: number;
}

/** Waits as `lockTarget` does; gives what happened. */
async function waitFor(given: Given) {
  const { nodes = ORPHAN, openErrno, killErrno = 0, heldMs = Infinity, stopMs = Infinity } = given;
  const record = "record" in given ? given.record : RECORD;
  const said: string[] = [];
  const killed: number[] = [];
  const open = new Set<number>();
  const stop = new AbortController();
  let nowMs = 1000;
  const world = worldOf({
    pid: 1,
    clock: {
      now: () => nowMs,
      sleep(ms) {
        nowMs += ms;
        if (nowMs >= stopMs) stop.abort("SIGTERM");
        return Promise.resolve();
      },
    },
    log: { info: () => {}, warn: (line: string) => said.push(line), error: () => {} },
    files: filesOf({ [LOCK]: "", "/proc": "1\n7\nself", ...nodes }),
    processes: {
      open(pid) {
        if (openErrno !== undefined) return { errno: openErrno };
        open.add(pid + 100);
        return { fd: pid + 100 };
      },
      kill(fd) {
        if (killErrno === 0) killed.push(fd - 100);
        return killErrno;
      },
      close: (fd) => void open.delete(fd),
    },
  } as Partial<World>);
  const orphan = new Orphan("/a", LOCK, () => Promise.resolve(record), world, stop.signal);
  let thrown: unknown;
  try {
    while (nowMs < heldMs) await orphan.wait();
  } catch (error) {
    thrown = error;
  }
  assert.deepEqual([...open], [], "a pidfd was left open");
  return { said, killed, thrown, waitedMs: nowMs - 1000 };
}

/** What the failure says of whoever holds the lock. */
function holder(thrown: unknown): string | undefined {
  return /^Cannot use "\/a": (.*); stop that one first, or set another MNT_TARGET$/.exec(
    thrown instanceof Error ? thrown.message : "",
  )?.[1];
}

Deno.test("a live wrapper is named at once", async () => {
  const nodes = { ...ORPHAN, ...processNodes(6, "60", "/usr/bin/deno", [LOCK]) };
  const { thrown, killed, waitedMs } = await waitFor({ nodes });
  assert.equal(holder(thrown), "another restic-rest-server, process 6, serves it");
  assert.deepEqual(killed, []);
  assert.equal(waitedMs, 0);
});

Deno.test("a rest-server that dies with its wrapper is only waited for", async () => {
  assert.deepEqual(await waitFor({ heldMs: 1900 }), {
    said: [],
    killed: [],
    thrown: undefined,
    waitedMs: 900,
  });
});

Deno.test("a rest-server that lives on is ended once, and that is said", async () => {
  const { said, killed, thrown } = await waitFor({ heldMs: 5000 });
  assert.deepEqual(killed, [7]);
  assert.equal(thrown, undefined);
  assert.deepEqual(said, [
    "ended the rest-server of an earlier run, process 7: its wrapper died without it",
  ]);
});

Deno.test("P7: one that hangs in the kernel is spoken of after 1, 2 and 4 minutes, until a stop", async () => {
  const { said, killed, thrown } = await waitFor({ stopMs: 300_000 });
  assert.deepEqual(killed, [7]);
  assert.equal(thrown, "SIGTERM");
  assert.deepEqual(said.slice(1).map((line) => /not ended (\d+) s after SIGKILL/.exec(line)?.[1]), [
    "60",
    "120",
    "240",
  ]);
});

Deno.test("a stop ends the wait at once, before anything is signalled", async () => {
  const { killed, thrown, waitedMs } = await waitFor({ stopMs: 1500 });
  assert.equal(thrown, "SIGTERM");
  assert.deepEqual(killed, []);
  assert.ok(waitedMs < 600);
});

/** What looks like the orphan, and is not. */
const OTHERS: Record<string, Given> = {
  "a pid that was used again": { nodes: processNodes(7, "71", "/usr/bin/rest-server", [LOCK]) },
  "another executable": { nodes: processNodes(7, "70", "/usr/bin/vi", [LOCK]) },
  "a process without the lock": {
    nodes: processNodes(7, "70", "/usr/bin/rest-server", ["/run/test/b.lock", `${LOCK}x`]),
  },
  "a record without executable": {
    record: { ...RECORD, server: { pid: 7, startTime: "70" } as typeof SERVER },
  },
  "a forged record": { record: { ...RECORD, server: { ...SERVER, executable: "/sbin/init" } } },
  "no server in the record": { record: { target: "/a", wrapper: DEAD } },
  "an empty file": { record: undefined },
};
for (const [what, given] of Object.entries(OTHERS)) {
  Deno.test(`nobody else's process is signalled: ${what}`, async () => {
    const { killed, thrown, said } = await waitFor(given);
    assert.deepEqual(killed, []);
    assert.deepEqual(said, []);
    assert.match(
      holder(thrown)!,
      /^(some process holds|process 7 \("\w*"\) holds|the rest-server of an earlier run, process 7, still holds)/,
    );
  });
}

Deno.test("where the kernel refuses, its words are in the refusal", async () => {
  const cases: [Given, RegExp][] = [
    [{ openErrno: ERRNO.ENOSYS }, /process 7, still holds it \(pidfd_open\(2\): ENOSYS\)$/],
    [{ killErrno: ERRNO.EPERM }, /process 7, still holds it \(pidfd_send_signal\(2\): EPERM\)$/],
  ];
  for (const [given, expected] of cases) {
    assert.match(holder((await waitFor(given)).thrown)!, expected);
  }
});
