/**
 * The fault table's one runner: each row is a fault, how it is caused, and all that must hold after it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { run } from "./command.ts";
import { type Disk, type DiskOptions, loopDisk } from "./disk.ts";
import { httpStatus } from "./http.ts";
import type { Need } from "./needs.ts";
import { childPids, isRunning, processesWith } from "./processes.ts";
import { MountNamespace } from "./namespace.ts";
import { type Place, place, type ServeOptions, systemTest } from "./system.ts";
import { until, within } from "./wait.ts";
import type { Wrapper } from "./wrapper.ts";

/** What a fault is caused with. */
export interface Stage {
  readonly where: Place;
  /** Plugged in before the program starts. */
  readonly disk: Disk;
  /** What makes the fault last; it goes, last thing first, with the cure, or else before the program. */
  readonly cause: AsyncDisposableStack;
  /** The program, once it was started. */
  readonly wrapper: Wrapper;
  /** Its rest-server, once it serves. */
  readonly server: number;
  /** `http://host:port` of the rest-server that serves. */
  readonly url: string;
}

/** What runs when the line was said: the column of the processes. */
export type Processes =
  /** The program has ended, and rest-server with it. */
  | "ended"
  /** The program waits, with no rest-server. */
  | "waits"
  /** rest-server runs on under the same pid, and answers. */
  | "serves on"
  /** rest-server runs on under the same pid; asking it now would hang. */
  | "runs on"
  /** rest-server was started, for the first time or again, and answers. */
  | "serves anew";

/** One row. */
export interface Fault {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** Why no machine of these tests can cause it: the row is shown as ignored. */
  readonly ignored?: string | undefined;
  /** Not given: an ext4. */
  readonly disk?: DiskOptions;
  /** Causes it before the program starts; gives how the program is started, the disk by path if it says nothing. */
  readonly before?: (stage: Stage) => Promise<Partial<ServeOptions> | void>;
  /** Causes it while the program waits: `before` sees to it that it does. */
  readonly waiting?: (stage: Stage) => Promise<unknown>;
  /** Causes it while rest-server serves. */
  readonly serving?: (stage: Stage) => Promise<unknown>;
  /** The line that tells of it, of those since it was caused; `null`: nobody is left to say it. */
  readonly says: RegExp | null;
  readonly processes: Processes;
  /** Mounts on the target with that line, in the program's mount namespace. */
  readonly mounts: number;
  /** Ends the fault: with nobody's help rest-server serves from then on, or the program ends, as `cured` says. */
  readonly cure?: (stage: Stage) => Promise<unknown>;
  /** Not given: it serves. */
  readonly cured?: "serves" | "ends";
  /** Exit code, after SIGTERM where the program did not end by itself. */
  readonly code: number;
  /** Mounts on the target at the end, to be taken down by the row itself. Not given: none. */
  readonly mountsAfter?: number;
}

/** In the environment of the program and of all that it starts. */
const MARK = "FAULT_TEST";

/** One row on its way. */
class Play implements Stage {
  wrapper!: Wrapper;
  /** The program's. */
  namespace = MountNamespace.own();
  server = 0;
  url = "";

  constructor(
    readonly fault: Fault,
    readonly where: Place,
    readonly disk: Disk,
    readonly stack: AsyncDisposableStack,
    readonly cause: AsyncDisposableStack,
  ) {}

  async play(): Promise<void> {
    const { fault, where } = this;
    const options = await fault.before?.(this) ?? {};
    const mark = crypto.randomUUID();
    const serve = (prefix: readonly string[] = []) =>
      this.stack.use(where.serve({
        source: this.disk.path,
        ...options,
        prefix,
        env: { MNT_WATCH: "0.2", MNT_STOP: "20", ...options.env, [MARK]: mark },
      }));
    if (options.prefix?.includes("--mount")) {
      const gate = await Gate.make(where.directory);
      this.wrapper = serve([...options.prefix, ...gate.prefix]);
      this.namespace = this.stack.use(await MountNamespace.ofOther(this.wrapper.pid));
      await gate.open();
    } else {
      this.wrapper = serve(options.prefix);
    }
    const { wrapper } = this;
    if (fault.serving !== undefined) await this.#serves(0);
    if (fault.waiting !== undefined) {
      await wrapper.errLine(/ waiting for |; trying again(?:$|; the kernel says: )/);
    }
    const from = wrapper.errLines.length;
    await (fault.serving ?? fault.waiting)?.(this);
    if (fault.says !== null) await wrapper.errLine(fault.says, from);
    await this.#look(from);
    if (fault.cure !== undefined) {
      const cured = wrapper.errLines.length;
      await fault.cure(this);
      if (fault.cured !== "ends") {
        if (fault.processes === "waits") await this.#serves(cured);
        await this.#answers();
      }
    }
    if (fault.processes !== "ended" && fault.cured !== "ends") wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), fault.code);
    assert.equal((await this.namespace.mountsOn(where.target)).length, fault.mountsAfter ?? 0);
    await until(() => processesWith(`${MARK}=${mark}`).length === 0, "the end of all processes");
    const broken = wrapper.errLines.filter((line) => /a defect of|^ {4}at |panicked/.test(line));
    assert.deepEqual(broken, []);
  }

  /** Waits until it serves, and notes where. */
  async #serves(from: number): Promise<void> {
    const [, address] = await this.wrapper.errLine(/^start server on (.*)$/, from);
    this.url = `http://${address}`;
    this.server = childPids(this.wrapper.pid)[0]!;
  }

  async #answers(): Promise<void> {
    if (this.url.startsWith("http://127.")) {
      assert.equal(await httpStatus(`${this.url}/?create=true`), 405);
    }
  }

  /** The columns of processes and mounts. */
  async #look(from: number): Promise<void> {
    const { fault, wrapper, where } = this;
    const running = () => childPids(wrapper.pid).filter(isRunning);
    const before = this.server;
    switch (fault.processes) {
      case "ended":
        assert.equal(await wrapper.code(), fault.code);
        break;
      case "waits":
        await until(() => running().length === 0, "a program without a child");
        break;
      case "serves on":
      case "runs on":
        assert.deepEqual(running(), [before]);
        if (fault.processes === "serves on") await this.#answers();
        break;
      case "serves anew":
        await this.#serves(from);
        assert.notEqual(this.server, before);
        await this.#answers();
    }
    let mounts = NaN;
    await until(async () => {
      mounts = (await this.namespace.mountsOn(where.target)).length;
      return mounts === fault.mounts;
    }, () => `${fault.mounts} mounts, not ${mounts}`);
  }
}

/** Holds a program back, in whatever its prefix has made for it, until it is opened. */
class Gate {
  private constructor(readonly path: string) {}

  static async make(directory: string): Promise<Gate> {
    const path = `${directory}/gate`;
    await run("mkfifo", path);
    return new Gate(path);
  }

  /** Goes in front of the program. */
  get prefix(): string[] {
    return ["sh", "-ec", 'read -r open <"$0"; exec "$@"', this.path];
  }

  async open(): Promise<void> {
    await within(Deno.writeTextFile(this.path, "open\n"), "a program that waits at its gate");
  }
}

/** Makes a test of each row. */
export async function faultTests(faults: readonly Fault[]): Promise<void> {
  for (const fault of faults) {
    const name = `fault: ${fault.name}`;
    if (fault.ignored !== undefined) {
      Deno.test({ name: `${name} [ignored: ${fault.ignored}]`, ignore: true, fn: () => {} });
      continue;
    }
    await systemTest(fault.needs ?? [], name, async () => {
      let wrapper: Wrapper | undefined;
      try {
        await using where = await place();
        await using disk = await loopDisk(fault.disk ?? { fstype: "ext4" });
        await using stack = new AsyncDisposableStack();
        await using cause = new AsyncDisposableStack();
        const play = new Play(fault, where, disk, stack, cause);
        await play.play().finally(() => wrapper = play.wrapper);
      } catch (error) {
        const said = wrapper?.errLines.join("\n");
        throw new Error(`${describe(error)}\nthe program's lines:\n${said}`);
      }
    });
  }
}

/** What failed first, and what failed after it while the fault was taken back. */
function describe(error: unknown): string {
  return error instanceof SuppressedError
    ? `${describe(error.suppressed)}\nand then: ${describe(error.error)}`
    : error instanceof Error
    ? `${error.stack}`
    : String(error);
}
