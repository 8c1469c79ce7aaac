/**
 * P2, P7, P8: every signal that the program takes, in every phase of a run, to the program alone and to its
 * whole process group, with the real rest-server. mount(2) and the last sync really block: the disk's image
 * lies on another file system, which is frozen.
 */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { isIn, isRunning, serverPid } from "../support/processes.ts";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";
import { prove } from "../support/soak.ts";
import { fsck, mountsOn, type Place, place, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

const TO = ["process", "group"] as const;
type To = typeof TO[number];
const ALL = FORWARDED_SIGNALS.map(({ name }) => name);
const MIB = 1024 ** 2;

/**
 * What ends rest-server 0.14 with `--no-auth`, beside SIGTERM and SIGINT: the Go runtime's dump and exit 2, and
 * the default action of SIGHUP, which the program keeps from it where it can.
 */
const DEADLY: readonly SignalName[] = ["SIGQUIT", "SIGSTKFLT", "SIGHUP"];
const HARMLESS = ALL.filter((name) =>
  name !== "SIGTERM" && name !== "SIGINT" && !DEADLY.includes(name)
);

/** A disk whose image lies on another one, which can be frozen: then what writes to it blocks. */
class FreezableDisk implements AsyncDisposable {
  #frozen = false;
  private constructor(readonly disk: Disk, readonly directory: string) {}

  static async make(outer: Disk, where: Place): Promise<FreezableDisk> {
    const directory = `${where.directory}/outer`;
    await Deno.mkdir(directory);
    await run("mount", outer.path, directory);
    const disk = await loopDisk({ fstype: "ext4", directory });
    return new FreezableDisk(disk, directory);
  }

  async freeze(): Promise<void> {
    await run("sync", "-f", this.directory);
    await run("fsfreeze", "--freeze", this.directory);
    this.#frozen = true;
  }

  async thaw(): Promise<void> {
    if (this.#frozen) await run("fsfreeze", "--unfreeze", this.directory);
    this.#frozen = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw();
    await this.disk[Symbol.asyncDispose]();
    await run("umount", this.directory);
  }
}

function send(wrapper: Wrapper, name: SignalName, to: To): void {
  // setsid(1) in front makes the program the leader of a group of its own.
  Deno.kill(to === "group" ? -wrapper.pid : wrapper.pid, name as Deno.Signal);
}

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

interface Cell {
  readonly phase: string;
  readonly to: To;
  /** Sent one after the other. */
  readonly signals: readonly SignalName[];
}

/** One run, from its start to its end. */
async function runCell({ phase, to, signals }: Cell, outer: Disk): Promise<void> {
  await using where = await place();
  await using freezable = await FreezableDisk.make(outer, where);
  const { disk } = freezable;
  const source = phase === "waiting" ? `UUID=${crypto.randomUUID()}` : disk.path;
  if (phase === "mounting") await freezable.freeze();
  await using wrapper = where.serve({ source, prefix: ["setsid"] });
  const ends = await PHASES[phase]!({ wrapper, to, signals, freezable, where });
  const told = wrapper.errLines.join("\n");
  assert.ok(ends.includes(await wrapper.code()), `${await wrapper.code()}, not ${ends}:\n${told}`);
  assert.deepEqual(mountsOn(where.target), [], told);
  await fsck("ext4", disk);
}

interface Running {
  readonly wrapper: Wrapper;
  readonly to: To;
  readonly signals: readonly SignalName[];
  readonly freezable: FreezableDisk;
  readonly where: Place;
}

/** The exit codes of a signal to a rest-server that serves. */
function servingCodes(name: SignalName, to: To): number[] {
  if (name === "SIGTERM" || name === "SIGINT") return [0];
  // Kept from it, unless the group got it.
  if (name === "SIGHUP") return to === "group" ? [128 + SIGNALS.SIGHUP] : [];
  return DEADLY.includes(name) ? [2] : [];
}

/** Sends all; gives the codes of the first one that ends the run. Where none does, SIGTERM does. */
function sendAll({ wrapper, to, signals }: Running, codes: typeof servingCodes): number[] {
  for (const name of signals) {
    send(wrapper, name, to);
    const ends = codes(name, to);
    if (ends.length > 0) return ends;
  }
  return [];
}

/** While no rest-server runs. */
const aloneCodes = (name: SignalName) =>
  FORWARDED_SIGNALS.find((row) => row.name === name)!.alone === "stop" ? [0] : [];

const PHASES: Readonly<Record<string, (running: Running) => Promise<number[]>>> = {
  async waiting(running) {
    await running.wrapper.errLine(/waiting for/);
    const codes = sendAll(running, aloneCodes);
    if (codes.length === 0) send(running.wrapper, "SIGTERM", running.to);
    return [0];
  },

  async mounting(running) {
    const { wrapper, freezable, to } = running;
    await until(() => isIn(wrapper.pid, "mount"), "a mount(2) that hangs");
    const codes = sendAll(running, aloneCodes);
    if (codes.length === 0) send(wrapper, "SIGTERM", to);
    assert.ok(isRunning(wrapper.pid), "it left a mount(2) that is under way to itself");
    await freezable.thaw();
    await wrapper.code();
    assert.ok(!wrapper.errLines.some((line) => /start server/.test(line)), "it served after all");
    return [0];
  },

  async serving(running) {
    const { wrapper, to } = running;
    const address = await wrapper.listening();
    const codes = sendAll(running, servingCodes);
    if (codes.length > 0) return codes;
    assert.equal(await httpStatus(`http://${address}/?create=true`, { method: "POST" }), 200);
    send(wrapper, "SIGTERM", to);
    return [0];
  },

  async uploading(running) {
    const { wrapper, to } = running;
    const address = await wrapper.listening();
    using upload = await beginUpload(address);
    const codes = sendAll(running, servingCodes);
    const stopsGently = codes.length === 0 || codes.includes(0);
    if (codes.length === 0) send(wrapper, "SIGTERM", to);
    if (!stopsGently) return codes;
    await wrapper.errLine(/: stopping rest-server/);
    assert.equal(await upload.finish(), 200, "what was under way is finished");
    return [0];
  },

  async stopping(running) {
    const { wrapper, to, signals } = running;
    const address = await wrapper.listening();
    using upload = await beginUpload(address);
    send(wrapper, "SIGTERM", "process");
    const startMs = performance.now();
    await wrapper.errLine(/SIGTERM: stopping rest-server/);
    // Before that a SIGINT is the same press of Ctrl-C.
    await until(() => performance.now() - startMs > 400, "another press of a key");
    const kills = signals.includes("SIGINT");
    const codes = sendAll(running, (name) => name === "SIGINT" ? [137] : servingCodes(name, to));
    if (kills) return codes;
    if (codes.length > 0 && !codes.includes(0)) return codes;
    assert.equal(await upload.finish(), 200, "what was under way is finished");
    return [0];
  },

  async unmounting(running) {
    const { wrapper, to, signals, freezable, where } = running;
    await wrapper.listening();
    const server = serverPid(wrapper);
    await Deno.writeFile(`${where.target}/unsynced`, new Uint8Array(MIB));
    await freezable.freeze();
    send(wrapper, "SIGTERM", "process");
    await until(() => !isRunning(server) && isIn(wrapper.pid, "syncfs"), "a sync that hangs");
    for (const name of signals) send(wrapper, name, to);
    assert.ok(isRunning(wrapper.pid), "it left the disk unwritten");
    await freezable.thaw();
    return [0];
  },
};

/** Signals that end a run have one of their own; the others are sent together. */
function cells(): Cell[] {
  const alone = [[...HARMLESS, "SIGHUP", "SIGSTKFLT", "SIGTERM"], ["SIGINT"], ["SIGQUIT"]] as const;
  const beside = [[...HARMLESS, "SIGTERM"], ["SIGINT"], ...DEADLY.map((name) => [name])] as const;
  const groups: [string, readonly (readonly SignalName[])[]][] = [
    ["waiting", alone],
    ["mounting", alone],
    ["serving", beside],
    ["uploading", beside],
    ["stopping", beside],
    ["unmounting", [ALL]],
  ];
  return groups.flatMap(([phase, sets]) =>
    TO.flatMap((to) => sets.map((signals) => ({ phase, to, signals })))
  );
}

await systemTest(
  ["program:fsfreeze"],
  "P2, P7, P8: every signal in every phase, to the program and to its group, ends as the table says",
  async () => {
    const all = cells();
    const count = all.length;
    await prove({ name: "signals by phases", ci: count, soak: count }, async (tally) => {
      await using outer = await loopDisk({ fstype: "ext4", sizeBytes: 256 * MIB });
      for (; tally.done < tally.count; tally.done++) {
        const cell = all[tally.done]!;
        try {
          await runCell(cell, outer);
        } catch (error) {
          const what = `${cell.phase}, ${cell.signals.join(" ")} to the ${cell.to}`;
          throw new Error(`${what}: ${error}`, { cause: error });
        }
      }
    });
  },
);
