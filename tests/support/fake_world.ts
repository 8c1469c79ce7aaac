/**
 * A world in memory for the model test: disks, mounts, servers and a clock that only moves when told.
 * It holds the promises itself: what must never happen throws at the moment it does.
 *
 * @module
 */
import assert from "node:assert/strict";
// Loaded by the program in the middle of a run: in no time, as time is here.
import "../../mod/diagnose.ts";
import { setImmediate } from "node:timers/promises";
import type { ServerStatus } from "../../mod/exit.ts";
import { ERRNO, MS_REMOUNT, type SignalName, SIGNALS } from "../../mod/linux.ts";
import type { Mounter } from "../../mod/mounter.ts";
import type { MountSpec } from "../../mod/source.ts";
import { calm } from "../../mod/calm.ts";
import type { LineFacts } from "../../mod/events.ts";
import type { Level } from "../../mod/log_form.ts";
import { Progress, stateFacts } from "../../mod/progress.ts";
import type { Clock, DeviceEvents, FileFacts, World } from "../../mod/world.ts";

export const TARGET = "/mnt/backup";

export interface FakeDisk {
  readonly path: string;
  readonly minor: number;
  readonly uuid: string;
  readonly label: string;
}

interface FakeMount {
  readonly id: number;
  readonly source: string;
  readonly majorMinor: string;
  /** Made by somebody else, as from fstab. */
  readonly foreign: boolean;
  /** Its disk was pulled; one that is put back is another one to the kernel. */
  dead: boolean;
  /** A server was started on it: what is undone before counts for nothing. */
  served: boolean;
}

export interface FakeServer {
  readonly pid: number;
  alive: boolean;
  /** Ends on SIGTERM and SIGINT, as rest-server does; a stubborn one does not. */
  stubborn: boolean;
  /** Hangs in the kernel: not even SIGKILL ends it. */
  readonly undying: boolean;
  readonly received: SignalName[];
  end(status: ServerStatus): void;
}

function facts(kind: FileFacts["kind"], rdev = 0, inode = 1): FileFacts {
  return { kind, rdev, inode, executable: true };
}

/** See the module. */
export class FakeWorld {
  nowMs = 0;
  readonly disks: FakeDisk[] = [];
  /** Mounts on the target, the top one last. */
  readonly mounts: FakeMount[] = [];
  readonly servers: FakeServer[] = [];
  /** What the log said, as it lets through. */
  readonly lines: string[] = [];
  readonly records: {
    readonly level: Level;
    readonly message: string;
    readonly facts: LineFacts;
  }[] = [];
  /** Has the log say what it holds back, as the end of the program does. */
  release = () => {};
  readonly violations: string[] = [];
  /** errno of the next calls of mount(2). */
  readonly mountErrors: number[] = [];
  /** So many calls of umount2(2) say EBUSY. */
  busy = 0;
  detached = false;
  /** Somebody holds every file system that is detached from now on. */
  holding = false;
  /** Devices whose detached file system lives on. */
  readonly undead = new Set<string>();
  /** Servers that were ended because their disk was lost. */
  readonly lostServers = new Set<number>();
  /** From the loss to the detach that follows it. */
  #losing = false;
  /** While set, mount(2) does not return. */
  slowMount: PromiseWithResolvers<void> | undefined;
  /** While set, the mounted disk does not answer. */
  slowDisk: PromiseWithResolvers<void> | undefined;
  nextServerStubborn = false;
  nextServerUndying = false;
  lock: string | undefined;
  #nextId = 100;
  #nextPid = 1000;
  #nextSequence = 1;
  readonly #sequences = new Map<string, number>();
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];
  #deviceEvent: () => void = () => {};

  /** Lets everything run that can run without time passing. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await setImmediate();
  }

  /** Lets time pass, waking each sleeper at its moment. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
      await this.settle();
    }
    this.nowMs = endMs;
  }

  plug(disk: FakeDisk): void {
    this.disks.push(disk);
    this.#sequences.set(disk.path, this.#nextSequence++);
    this.#deviceEvent();
  }

  unplug(path: string): void {
    const index = this.disks.findIndex((disk) => disk.path === path);
    if (index >= 0) this.disks.splice(index, 1);
    for (const mount of this.mounts) mount.dead ||= mount.source === path;
    this.#deviceEvent();
  }

  /** Somebody else mounts a disk on the target. */
  mountForeign(disk: FakeDisk): void {
    this.#mountDisk(disk, true);
  }

  #mountDisk({ path, minor }: FakeDisk, foreign: boolean): void {
    this.mounts.push({
      id: this.#nextId++,
      source: path,
      majorMinor: `8:${minor}`,
      foreign,
      dead: false,
      served: false,
    });
  }

  get liveServer(): FakeServer | undefined {
    return this.servers.find((server) => server.alive);
  }

  #violate(promise: string): void {
    this.violations.push(promise);
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = {
        atMs: this.nowMs + ms,
        wake: () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          signal?.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", sleeper.wake);
    });
  }

  #mountinfo(): string {
    const lines = ["1 0 259:1 / / rw - ext4 /dev/root rw"];
    let parent = 1;
    for (const { id, source, majorMinor } of this.mounts) {
      lines.push(
        `${id} ${parent} ${majorMinor} / ${TARGET} rw,nosuid,nodev,noexec,relatime - ext4 ${source} rw`,
      );
      parent = id;
    }
    return `${lines.join("\n")}\n`;
  }

  #partitions(): string {
    const lines = this.disks.map(({ path, minor }) => `   8 ${minor} 1024 ${path.slice(5)}\n`);
    return `major minor  #blocks  name\n\n${lines.join("")}`;
  }

  #readText(path: string): string {
    if (path === "/proc/self/mountinfo") return this.#mountinfo();
    if (path === "/proc/partitions") return this.#partitions();
    const minor = /^\/sys\/dev\/block\/8:(\d+)\/diskseq$/.exec(path)?.[1];
    const disk = this.disks.find((disk) => String(disk.minor) === minor);
    if (disk !== undefined) return `${this.#sequences.get(disk.path)}\n`;
    if (path === "/run/lock") return this.lock ?? "";
    if (path.endsWith(".lock")) return this.lock ?? "";
    const pid = /^\/proc\/(\d+)\/stat$/.exec(path)?.[1];
    if (pid !== undefined) return `${pid} (fake) ${Array(19).fill("0").join(" ")} 77`;
    throw new Deno.errors.NotFound(path);
  }

  #stat(path: string): FileFacts | null {
    const disk = this.disks.find((disk) => disk.path === path);
    if (disk !== undefined) return facts("block device", 0x800 + disk.minor);
    const [, minor] = /^\/sys\/dev\/block\/8:(\d+)$/.exec(path) ?? [];
    if (minor !== undefined) {
      return this.disks.some((disk) => disk.minor === Number(minor)) ? facts("directory") : null;
    }
    if (path === "/sys/dev/block") return facts("directory");
    if (path.startsWith("/proc/self/fd/") || path.endsWith(".lock")) return facts("file", 0, 42);
    return path === "/user/rest-server" || path === "/usr/local/bin/blkid" ? facts("file") : null;
  }

  #startServer(): FakeServer {
    const top = this.mounts.at(-1);
    const disk = this.disks.find((disk) => disk.path === top?.source);
    if (top === undefined || (disk !== undefined && disk.uuid !== "wanted")) {
      this.#violate("P1: started without the right mount");
    }
    if (this.liveServer !== undefined) this.#violate("P3: two servers");
    const { promise, resolve } = Promise.withResolvers<ServerStatus>();
    const server: FakeServer = {
      pid: this.#nextPid++,
      alive: true,
      stubborn: this.nextServerStubborn,
      undying: this.nextServerUndying,
      received: [],
      end: (status) => {
        if (!server.alive) return;
        server.alive = false;
        resolve(status);
      },
    };
    this.servers.push(server);
    if (top !== undefined) top.served = true;
    this.#statuses.set(server.pid, promise);
    return server;
  }
  readonly #statuses = new Map<number, Promise<ServerStatus>>();

  #kill(server: FakeServer, signal: SignalName): void {
    if (!server.alive) return;
    server.received.push(signal);
    if (server.undying) return;
    if (signal === "SIGKILL") server.end({ code: 128 + SIGNALS.SIGKILL, signal });
    else if (server.stubborn) return;
    else if (signal === "SIGTERM" || signal === "SIGINT") server.end({ code: 0, signal: null });
    else if (signal === "SIGQUIT") server.end({ code: 2, signal: null });
  }

  readonly mounter: Mounter = {
    mount: async (spec: MountSpec) => {
      await this.slowMount?.promise;
      const errno = this.mountErrors.shift();
      if (errno !== undefined) return errno;
      if (spec.flags & MS_REMOUNT) return 0;
      const disk = this.disks.find((disk) => disk.path === spec.source);
      if (disk === undefined) return ERRNO.ENOENT;
      if (this.mounts.length > 0) this.#violate("P3: two mounts on the target");
      if (this.undead.has(spec.source)) this.#violate("P1: mounted the dead file system again");
      this.#mountDisk(disk, false);
      return 0;
    },
    unmount: (_target, { detach }) => {
      if (this.liveServer !== undefined) this.#violate("P2: unmounted under a server");
      if (this.mounts.length === 0) return Promise.resolve(ERRNO.EINVAL);
      if (!detach && this.busy > 0) {
        this.busy--;
        return Promise.resolve(ERRNO.EBUSY);
      }
      const mount = this.mounts.pop()!;
      if (mount.foreign) this.#violate("P3: unmounted what is not ours");
      if (detach && this.holding) this.undead.add(mount.source);
      this.detached ||= detach && mount.served && !this.#losing;
      this.#losing = false;
      return Promise.resolve(0);
    },
    giveUp: () => Promise.resolve(),
    openDirectory: () => Promise.resolve({ fd: 9 }),
    uniqueMountId: () => String(this.mounts.at(-1)?.id),
    uniqueMountIdAt: () => String(this.mounts.at(-1)?.id),
    isInUse: (device) => Promise.resolve(this.undead.has(device)),
    closeDirectory: () => Promise.resolve(),
    sync: () => Promise.resolve(true),
  };

  #deviceEvents(): DeviceEvents {
    let happened = false;
    return {
      next: async (ms, signal) => {
        const event = new AbortController();
        this.#deviceEvent = () => {
          happened = true;
          event.abort();
        };
        if (!happened) await this.#sleep(ms, AbortSignal.any([signal, event.signal]));
        const seen = happened;
        happened = false;
        return seen ? { written: [] } : null;
      },
      close: () => this.#deviceEvent = () => {},
    };
  }

  world(platform: World["platform"]): World {
    const say = (level: Level) => (message: string, facts: LineFacts) => {
      this.lines.push(`${level}: ${message}`);
      this.records.push({ level, message, facts: { ...stateFacts(progress.state), ...facts } });
    };
    const progress = new Progress(() => this.nowMs);
    const clock: Clock = { now: () => this.nowMs, sleep: (ms, signal) => this.#sleep(ms, signal) };
    const log = calm({ info: say("info"), warn: say("warning"), error: say("error") }, clock);
    this.release = log.release;
    const blkidText = () =>
      this.disks.map(({ path, uuid, label }) =>
        `${path}: LABEL="${label}" UUID="${uuid}" TYPE="ext4"\n`
      ).join("");
    return {
      platform,
      root: true,
      pid: 1,
      runDirectory: "/run/test",
      path: "",
      socketActivated: false,
      log: {
        ...log,
        error: (message, facts) => {
          this.#noteLoss(message);
          log.error(message, facts);
        },
      },
      progress,
      clock,
      files: {
        // deno-lint-ignore require-await -- a throw must become a rejection
        readText: async (path) => this.#readText(path),
        writeText: (path, text) => {
          if (path.endsWith(".lock")) this.lock = text;
          return Promise.resolve();
        },
        readAt: (path) => Promise.reject(new Deno.errors.NotFound(path)),
        stat: async (path) => {
          if (path === TARGET) await this.slowDisk?.promise;
          return this.#stat(path);
        },
        realPath: (path) =>
          path === TARGET || path === "/"
            ? Promise.resolve(path)
            : Promise.reject(new Deno.errors.NotFound(path)),
        readLink: (path) => Promise.reject(new Deno.errors.NotFound(path)),
        list: () => Promise.resolve([]),
        makeDirectory: () => Promise.resolve(),
        remove: (path) => {
          if (path.endsWith(".lock")) this.lock = undefined;
          return Promise.resolve();
        },
      },
      programs: {
        output: () =>
          Promise.resolve({ code: 0, signal: null, stdout: blkidText() || "\n", stderr: "" }),
        start: () => {
          throw new Error("rest-server is started by the launcher alone");
        },
      },
      launcher: {
        start: () => ({
          pid: 0,
          launch: () => {
            const server = this.#startServer();
            return {
              pid: server.pid,
              status: this.#statuses.get(server.pid)!,
              kill: (signal) => this.#kill(server, signal),
              launched: Promise.resolve({ warnings: [], failure: null, executed: true }),
            };
          },
          ended: false,
          dismiss: () => Promise.resolve(),
        }),
      },
      sockets: { tcpFault: () => Promise.resolve(null), unixAnswers: () => Promise.resolve(false) },
      watchDevices: () => this.#deviceEvents(),
      mounter: this.mounter,
      locks: { open: () => ({ fd: 8 }), tryLock: () => 0, inherit: () => {}, close: () => {} },
      processes: { open: () => ({ errno: ERRNO.ESRCH }), kill: () => 0, close: () => {} },
      openKernelLog: () => null,
      releaseMemory: () => {},
    };
  }

  #noteLoss(message: string): void {
    const pid = /is lost: .*stopping rest-server \(process (\d+)\)$/.exec(message)?.[1];
    if (pid === undefined) return;
    this.lostServers.add(Number(pid));
    this.#losing = true;
    if (!this.mounts.at(-1)?.dead) this.#violate("P7: left a disk that is there");
  }

  /** What must hold at every moment. */
  check(): void {
    assert.deepEqual(this.violations, []);
    assert.ok(this.mounts.length <= 1, "P3: at most one mount");
    assert.ok(this.servers.filter((server) => server.alive).length <= 1, "P3: at most one server");
    if (this.liveServer !== undefined) {
      assert.equal(this.mounts.length, 1, "P2: mounted while served");
    }
  }
}
