/**
 * What an earlier run left behind, and holds a target's lock: a rest-server whose wrapper was killed.
 *
 * @module
 */
import { nextReminderMs, REMIND_AFTER_MS } from "./announce.ts";
import { Failure } from "./exit.ts";
import { errnoName } from "./linux.ts";
import type { LockRecord } from "./lock.ts";
import { findHoldersOf, hasOpen, isAlive, markServer, type ServerMark } from "./processes.ts";
import type { World } from "./world.ts";

/** Between two looks at the lock. */
const LOOK_EVERY_MS = 20;
/** A killed wrapper takes rest-server with it: so long that can be on its way. */
const DYING_MS = 1000;
/** A launcher sees by itself that its wrapper is gone, and a wrapper that starts says so in the file. */
const UNKNOWN_MS = 5000;

/** The wait for a lock that a dead wrapper left held. */
export class Orphan {
  readonly #startMs: number;
  /** The process that got its SIGKILL, and when. */
  #killed: { readonly pid: number; readonly atMs: number } | undefined;
  #nextSayMs = REMIND_AFTER_MS;

  /**
   * @param path the lock file.
   * @param readRecord reads what it says now.
   */
  constructor(
    readonly target: string,
    readonly path: string,
    readonly readRecord: () => Promise<LockRecord | undefined>,
    readonly world: World,
    readonly stopping: AbortSignal,
  ) {
    this.#startMs = world.clock.now();
  }

  /**
   * Waits a moment for the lock to come free, or ends the process that a dead wrapper left with it.
   *
   * @throws {Failure} "locked" where the one that holds it is none of ours to end.
   * @throws the reason of `stopping`.
   */
  async wait(): Promise<void> {
    const { world, stopping } = this;
    stopping.throwIfAborted();
    const record = await this.readRecord();
    if (await isAlive(record?.wrapper, world)) {
      throw this.#refusal(
        `another restic-rest-server, process ${record!.wrapper.pid}, serves it`,
      );
    }
    const waitedMs = world.clock.now() - this.#startMs;
    if (this.#killed !== undefined) this.#sayHanging(this.#killed);
    else if (await isAlive(record?.server, world)) {
      if (waitedMs >= DYING_MS) await this.#end(record!.server!);
    } else if (waitedMs >= UNKNOWN_MS) {
      throw this.#refusal(await this.#describeHolder());
    }
    await world.clock.sleep(LOOK_EVERY_MS, stopping);
    stopping.throwIfAborted();
  }

  /** The lock file without symlinks; as it is where it was just removed. */
  async #realPath(): Promise<string> {
    return await this.world.files.realPath(this.path).catch(() => this.path);
  }

  /** Who holds the lock, though no file says so: what a script left behind that was run as rest-server. */
  async #describeHolder(): Promise<string> {
    const { path, world } = this;
    const [holder] = await findHoldersOf(await this.#realPath(), "everywhere", world);
    if (holder === undefined) return `some process holds "${path}"`;
    return `process ${holder.pid} ("${holder.name}") holds "${path}"`;
  }

  #refusal(holder: string): Failure {
    return new Failure(
      "locked",
      `Cannot use "${this.target}": ${holder}; stop that one first, or set another MNT_TARGET`,
    );
  }

  /** Ends the rest-server of a record, and nothing else. */
  async #end(server: ServerMark): Promise<void> {
    const { log, processes, clock } = this.world;
    const { pid } = server;
    const opened = processes.open(pid);
    // Gone since it was looked at: its lock is on its way.
    if ("errno" in opened && !await isAlive(server, this.world)) return;
    let fault = "errno" in opened ? `pidfd_open(2): ${errnoName(opened.errno)}` : undefined;
    if ("fd" in opened) {
      // The descriptor is there: from here on nobody else can come to have this pid unseen.
      const mine = await this.#isOurs(server);
      const errno = mine ? processes.kill(opened.fd) : 0;
      processes.close(opened.fd);
      if (!mine && !await isAlive(server, this.world)) return;
      if (!mine) fault = "it is not what that run started, so it is left alone";
      else if (errno !== 0) fault = `pidfd_send_signal(2): ${errnoName(errno)}`;
    }
    if (fault !== undefined) {
      const whose = "the rest-server of an earlier run";
      throw this.#refusal(`${whose}, process ${pid}, still holds it (${fault})`);
    }
    log.warn(
      `ended the rest-server of an earlier run, process ${pid}: its wrapper died without it`,
      { event: "orphan-ended", pid },
    );
    this.#killed = { pid, atMs: clock.now() };
  }

  /** Whether the process runs what the record says, since when it says, and has this very lock. */
  async #isOurs(server: ServerMark): Promise<boolean> {
    const { world } = this;
    const now = await markServer(server.pid, world);
    if (now?.startTime !== server.startTime || now.executable !== server.executable) return false;
    return await hasOpen(server.pid, await this.#realPath(), world);
  }

  #sayHanging({ pid, atMs }: { readonly pid: number; readonly atMs: number }): void {
    const waitedMs = this.world.clock.now() - atMs;
    if (waitedMs < this.#nextSayMs) return;
    this.#nextSayMs = nextReminderMs(waitedMs, REMIND_AFTER_MS);
    const seconds = Math.round(waitedMs / 1000);
    this.world.log.warn(
      `the rest-server of an earlier run, process ${pid}, has not ended ${seconds} s after ` +
        "SIGKILL: it hangs in the kernel, as on a disk that does not answer; waiting for it",
      { event: "server-hangs", seconds, pid },
    );
  }
}
