/**
 * P2, P7, P8: every signal that the program takes, alone, in every phase of a run, to the program and to its
 * whole process group, with the real rest-server. mount(2), umount2(2) and the last sync really block: the
 * disk's image lies on another file system, which is frozen.
 */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { FreezableDisk } from "../support/freezable_disk.ts";
import { httpStatus } from "../support/http.ts";
import { childPids, isIn, isRunning, serverPid, untilAtRest } from "../support/processes.ts";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

const TO = ["process", "group"] as const;
type To = typeof TO[number];
/** SIGUSR1 is not in the table: the program ignores it, as the others that are nothing to it. */
const ALL: readonly SignalName[] = [...FORWARDED_SIGNALS.map(({ name }) => name), "SIGUSR1"];
const MIB = 1024 ** 2;
/** Runs go on side by side: most of one is a wait for the kernel, or for the disk. */
const LANES = 4;

/** A request that was begun; `finish` sends the rest and gives the status, 0 where nobody answers. */
async function beginUpload(address: string) {
  assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
  const [hostname, port] = address.split(":");
  const connection = await Deno.connect({ hostname: hostname!, port: Number(port) });
  const write = (text: string) => connection.write(new TextEncoder().encode(text));
  await write(
    `POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\nExpect: 100-continue\r\n\r\n`,
  );
  const bytes = new Uint8Array(4096);
  // rest-server answers so as soon as it reads the body: it is in the middle of the upload.
  await connection.read(bytes);
  return {
    async finish(): Promise<number> {
      try {
        await write("complete");
        const length = await connection.read(bytes) ?? 0;
        const line = new TextDecoder().decode(bytes.subarray(0, length));
        return Number(/^HTTP\/1.1 (\d+)/.exec(line)?.[1] ?? 0);
      } catch {
        return 0; // The connection was cut.
      }
    },
    [Symbol.dispose]: () => connection.close(),
  };
}

/** What a signal leads to: the exit code, or `null`: the run goes on as if nothing had come. */
type Expected = number | null;

/** While no rest-server runs. */
function alone(name: SignalName): Expected {
  return FORWARDED_SIGNALS.find((row) => row.name === name)?.alone === "stop" ? 0 : null;
}

/**
 * While rest-server 0.14 runs with `--no-auth`: it stops at SIGTERM and SIGINT, the Go runtime ends with a dump
 * and 2 at two others, and SIGHUP would kill it, which the program keeps from it where it can.
 */
function beside(name: SignalName, to: To): Expected {
  if (name === "SIGTERM" || name === "SIGINT") return 0;
  if (name === "SIGQUIT" || name === "SIGSTKFLT") return 2;
  return name === "SIGHUP" && to === "group" ? 128 + SIGNALS.SIGHUP : null;
}

/** While it finishes what is under way after a SIGTERM: a SIGINT does not want to wait for that. */
function besideStopping(name: SignalName, to: To): Expected {
  if (name === "SIGTERM") return null;
  return name === "SIGINT" ? 128 + SIGNALS.SIGKILL : beside(name, to);
}

/** Once rest-server has ended, nothing hurries what is written to the disk. */
const nothing = (): Expected => null;

/** One run on its way. */
interface Running {
  readonly wrapper: Wrapper;
  readonly freezable: FreezableDisk;
  readonly target: string;
  /** The signal of the cell. */
  readonly name: SignalName;
  readonly expected: Expected;
  /** Sends it; with that, the program has taken it. */
  send(): Promise<void>;
  /** Sends what ends a run that goes on. */
  stop(): void;
}

/** That a run serves, and stops when it is asked to. */
async function servesOn({ wrapper, stop }: Running, server?: number): Promise<void> {
  const address = await wrapper.listening();
  assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
  if (server !== undefined) assert.equal(serverPid(wrapper), server, "it is another rest-server");
  stop();
}

/** That the last call of a run, which hangs, is waited for, whatever comes. */
async function endsInIt(running: Running, call: "syncfs" | "umount2"): Promise<void> {
  const { wrapper, freezable } = running;
  await until(() => isIn(wrapper.pid, call), `a ${call}(2) that hangs`);
  await running.send();
  assert.ok(isRunning(wrapper.pid), "it left the disk unwritten");
  assert.ok(isIn(wrapper.pid, call), `it left the ${call}(2)`);
  await freezable.thaw();
  await wrapper.errLine(/ unmounted "/);
}

/** Sends the signal to a run whose launcher has its plan, and is stopped; gives that launcher. */
async function sendWhileStarting({ wrapper, freezable, send }: Running): Promise<number> {
  await until(() => isIn(wrapper.pid, "mount"), "a mount(2) that hangs");
  const launcher = serverPid(wrapper);
  Deno.kill(launcher, "SIGSTOP");
  await freezable.thaw();
  await wrapper.errLine(/ mounted "/);
  // By then it has handed its plan to the launcher, and waits for what becomes of that.
  await untilAtRest(wrapper.pid, "RD");
  await send();
  Deno.kill(launcher, "SIGCONT");
  return launcher;
}

interface Phase {
  readonly expected: (name: SignalName, to: To) => Expected;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the disk's image is frozen from the start. */
  readonly frozen?: boolean;
  /** Not given: to both. */
  readonly to?: readonly To[];
  /** Not given: all. */
  readonly names?: (name: SignalName) => boolean;
  /** Leads a run to the phase, sends the signal, and holds what is expected against what it does. */
  run(running: Running): Promise<void>;
}

const PHASES: Readonly<Record<string, Phase>> = {
  waiting: {
    expected: alone,
    async run(running) {
      const { wrapper, freezable: { disk }, expected } = running;
      await wrapper.errLine(/waiting for/);
      await running.send();
      if (expected !== null) await wrapper.code();
      await disk.attach();
      if (expected === null) await servesOn(running);
    },
  },

  mounting: {
    expected: alone,
    frozen: true,
    async run(running) {
      const { wrapper, freezable, expected } = running;
      await until(() => isIn(wrapper.pid, "mount"), "a mount(2) that hangs");
      await running.send();
      assert.ok(isRunning(wrapper.pid), "it left a mount(2) that is under way to itself");
      await freezable.thaw();
      if (expected === null) return await servesOn(running);
      await wrapper.code();
      assert.ok(!wrapper.errLines.some((line) => /start server/.test(line)), "it served after all");
    },
  },

  starting: {
    expected: beside,
    frozen: true,
    // What goes to the group is not kept from a process that has no handler yet.
    to: ["process"],
    async run(running) {
      const launcher = await sendWhileStarting(running);
      if (running.expected === null) await servesOn(running, launcher);
    },
  },

  "starting anew": {
    expected: nothing,
    frozen: true,
    to: ["group"],
    // At these the program goes on, with another launcher where this one has ended.
    names: (name) => alone(name) === null,
    async run(running) {
      await sendWhileStarting(running);
      await servesOn(running);
    },
  },

  serving: {
    expected: beside,
    async run(running) {
      const { wrapper, expected } = running;
      await wrapper.listening();
      const server = serverPid(wrapper);
      await running.send();
      if (expected === null) await servesOn(running, server);
    },
  },

  uploading: {
    expected: beside,
    async run(running) {
      const { wrapper, name, expected } = running;
      using upload = await beginUpload(await wrapper.listening());
      const server = serverPid(wrapper);
      await running.send();
      if (expected === 0) await wrapper.errLine(new RegExp(`${name}: stopping rest-server`));
      else if (expected !== null) return;
      assert.equal(await upload.finish(), 200, "what was under way is finished");
      if (expected === null) await servesOn(running, server);
    },
  },

  stopping: {
    expected: besideStopping,
    async run(running) {
      const { wrapper, name, expected } = running;
      using upload = await beginUpload(await wrapper.listening());
      wrapper.signal("SIGTERM");
      const startMs = performance.now();
      await wrapper.errLine(/SIGTERM: stopping rest-server/);
      if (name === "SIGINT") {
        // Before that it is the same press of Ctrl-C.
        await until(() => performance.now() - startMs > 400, "another press of a key");
      }
      await running.send();
      if (expected !== null) return void await wrapper.code();
      assert.equal(await upload.finish(), 200, "what was under way is finished");
    },
  },

  unmounting: {
    expected: nothing,
    async run(running) {
      const { wrapper, freezable, target } = running;
      await wrapper.listening();
      const server = serverPid(wrapper);
      await Deno.writeFile(`${target}/unsynced`, new Uint8Array(MIB));
      await freezable.freeze();
      wrapper.signal("SIGTERM");
      await until(() => !isRunning(server), "the end of rest-server");
      await endsInIt(running, "syncfs");
    },
  },

  umount2: {
    expected: nothing,
    // Nothing writes to the disk by itself: then the sync has nothing to wait for, and only umount2(2) hangs.
    env: { MNT_OPTIONS: "noatime,noinit_itable", MNT_WATCH: "0" },
    async run(running) {
      const { wrapper, freezable, target } = running;
      const address = await wrapper.listening();
      assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
      await run("sync", "-f", target);
      await freezable.freeze();
      wrapper.signal("SIGTERM");
      await endsInIt(running, "umount2");
    },
  },
};

interface Cell {
  readonly phase: string;
  readonly to: To;
  readonly name: SignalName;
}

/** One run, from its start to its end. */
async function runCell({ phase, to, name }: Cell, outer: Disk): Promise<void> {
  const { expected, env = {}, frozen, ...steps } = PHASES[phase]!;
  await using where = await place();
  await using freezable = await FreezableDisk.make(outer, where);
  const { disk } = freezable;
  if (phase !== "waiting") await disk.attach();
  const source = phase === "waiting" ? `UUID=${disk.uuid}` : disk.path;
  if (frozen) await freezable.freeze();
  await using wrapper = where.serve({ source, env, prefix: ["setsid"] });
  // setsid(1) in front makes the program the leader of a group of its own.
  const pid = to === "group" ? -wrapper.pid : wrapper.pid;
  const leads = expected(name, to);
  await steps.run({
    ...{ wrapper, freezable, target: where.target, name, expected: leads },
    async send() {
      const children = childPids(wrapper.pid);
      Deno.kill(pid, name as Deno.Signal);
      // What it was sent has ended a child of the group, or has not, before the program is to go on.
      for (const child of children) await untilAtRest(child);
      await untilAtRest(wrapper.pid);
    },
    stop: () => Deno.kill(pid, "SIGTERM"),
  });
  const code = await wrapper.code();
  const told = wrapper.errLines.join("\n");
  assert.equal(code, leads ?? 0, `exit ${code}, not ${leads ?? 0}:\n${told}`);
  assert.deepEqual(mountsOn(where.target), [], `it is still mounted:\n${told}`);
  await fsck("ext4", disk);
}

/** Runs cells side by side; ends with the first failure, once nothing runs any more. */
async function runSideBySide(
  cells: readonly Cell[],
  outers: readonly Disk[],
  held: () => void,
): Promise<void> {
  const left = [...cells];
  const lanes = outers.map(async (outer) => {
    for (let cell = left.shift(); cell !== undefined; cell = left.shift()) {
      try {
        await runCell(cell, outer);
        held();
      } catch (error) {
        left.length = 0;
        const what = `${cell.phase}, ${cell.name} to the ${cell.to}`;
        throw new Error(`${what}: ${error}`, { cause: error });
      }
    }
  });
  for (const ended of await Promise.allSettled(lanes)) {
    if (ended.status === "rejected") throw ended.reason;
  }
}

await systemTest(
  ["program:fsfreeze"],
  "P2, P7, P8: every signal in every phase, to the program and to its group, ends as the table says",
  async () => {
    const phases = Object.entries(PHASES).map(([phase, { to = TO, names = () => true }]) =>
      ALL.filter(names).flatMap((name) => to.map((to): Cell => ({ phase, to, name })))
    );
    const count = phases.flat().length;
    await prove({ name: "signals by phases", ci: count, soak: count }, async (tally) => {
      await using stack = new AsyncDisposableStack();
      const outers: Disk[] = [];
      while (outers.length < LANES) {
        outers.push(stack.use(await loopDisk({ fstype: "ext4", sizeBytes: 256 * MIB })));
      }
      // One phase after the other: a blkid that looks for a disk would hang at those that are frozen.
      for (const cells of phases) await runSideBySide(cells, outers, () => tally.done++);
    });
  },
);
