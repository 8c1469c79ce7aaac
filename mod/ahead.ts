/**
 * The launcher, started ahead of time: it comes up while blkid and mount(2) run.
 *
 * @module
 */
import { Failure, messageOf } from "./exit.ts";
import { tooManyArguments, type WaitingLauncher } from "./launch.ts";
import type { TargetLock } from "./lock.ts";
import { markServer } from "./processes.ts";
import type { World } from "./world.ts";

/** At most one launcher that waits for its plan; `await using` ends it. */
export class Ahead implements AsyncDisposable {
  #waiting: WaitingLauncher | undefined;

  /** @param lock what rest-server is to inherit; `null` without a mount. */
  constructor(
    readonly args: readonly string[],
    readonly lock: TargetLock | null,
    readonly world: World,
  ) {}

  /** Starts it, unless it is there; what keeps it from starting is said by {@linkcode take}. */
  begin(): void {
    try {
      this.#waiting ??= this.#start();
    } catch {
      // It is tried again.
    }
  }

  /**
   * The launcher, to be given its plan.
   *
   * @throws {Failure} "busy" where no process can be started now, "configuration" where none ever can.
   */
  take(): WaitingLauncher {
    try {
      // A signal for the whole group, as SIGHUP, that does not stop this program ends one that waits.
      if (this.#waiting?.ended) void this.dismiss();
      const waiting = this.#waiting ?? this.#start();
      this.#waiting = undefined;
      return waiting;
    } catch (error) {
      if ((error as { code?: unknown }).code === "E2BIG") {
        throw tooManyArguments("rest-server", error);
      }
      throw new Failure(
        "busy",
        `Cannot start a process for rest-server: ${messageOf(error)}; ` +
          "check the limits on processes, descriptors and memory",
        { cause: error },
      );
    }
  }

  /** Ends it: a long wait is no time to hold memory. */
  async dismiss(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    await waiting?.dismiss();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dismiss();
  }

  #start(): WaitingLauncher {
    const { args, lock, world } = this;
    if (lock === null) return world.launcher.start(args);
    world.locks.inherit(lock.fd, true);
    try {
      const waiting = world.launcher.start(args);
      // One that is frozen outlives a killed wrapper, and holds the lock: whoever comes next can end it.
      void markServer(waiting.pid, world).then((server) => server && lock.write({ server }));
      return waiting;
    } finally {
      world.locks.inherit(lock.fd, false);
    }
  }
}
