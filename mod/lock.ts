/**
 * One wrapper a target: an flock(2) that rest-server inherits, so that it is held while either lives.
 *
 * @module
 */
import { errnoOf, Failure, messageOf, passes } from "./exit.ts";
import { ERRNO, errnoName } from "./linux.ts";
import type { MountInfo } from "./mountinfo.ts";
import { Orphan } from "./orphan.ts";
import { readTextIfAny } from "./paths.ts";
import { isProcessMark, markProcess, type ProcessMark, type ServerMark } from "./processes.ts";
import type { World } from "./world.ts";

/** flock(2) on a file by path. */
export interface FileLocks {
  /** Opens or makes the file. */
  open(path: string): { readonly fd: number } | { readonly errno: number };
  /** LOCK_EX without waiting; 0 or errno. */
  tryLock(fd: number): number;
  /** Whether programs started from now on inherit the descriptor, and with it the lock. */
  inherit(fd: number, on: boolean): void;
  close(fd: number): void;
}

/** A mount that a later one can recognize: what mountinfo says of it, and the id that is never used again. */
export interface MountMark
  extends Pick<MountInfo, "mountId" | "majorMinor" | "fsType" | "mountSource"> {
  /** STATX_MNT_ID_UNIQUE, see statx(2); "" before Linux 6.8. */
  readonly uniqueId: string;
}

/** What is about to be mounted on the target: a program that is killed in mount(2) leaves no more of it. */
export type MountIntent = Pick<MountInfo, "fsType" | "mountSource">;

/** What changes while the lock is held. */
export interface LockNotes {
  readonly server?: ServerMark | undefined;
  /** The mount that this program made. */
  readonly mount?: MountMark | undefined;
  /** The mount that it was about to make. */
  readonly mounting?: MountIntent | undefined;
}

/** What the lock file says. */
export interface LockRecord extends LockNotes {
  readonly target: string;
  readonly wrapper: ProcessMark;
}

/** A held lock. */
export interface TargetLock {
  readonly fd: number;
  /** The file. */
  readonly path: string;
  /** What the file says by now: of an earlier wrapper that did not end clean, or of this one. */
  known(): LockNotes;
  /** Says in the file what was mounted or started, beside what it says already; a failure is only logged. */
  write(notes: LockNotes): Promise<void>;
  /** Lets go of it; the file stays where it knows a mount of an earlier run that this one never came to. */
  release(): Promise<void>;
}

/** Parses a lock file, of which only the first line counts; `undefined` for one that is empty or cut short. */
export function parseLockRecord(text: string): LockRecord | undefined {
  try {
    const record = JSON.parse(text.split("\n", 1)[0]!);
    if (typeof record?.target !== "string" || !isProcessMark(record.wrapper)) return undefined;
    const { target, wrapper, server, mount, mounting } = record;
    return {
      ...{ target, wrapper },
      ...isProcessMark(server) ? { server: server as ServerMark } : {},
      ...mount instanceof Object ? { mount } : {},
      ...mounting instanceof Object ? { mounting } : {},
    };
  } catch {
    return undefined;
  }
}

/** The name of a target's lock file: unique, and short enough for a file system. */
export async function lockName(target: string): Promise<string> {
  const name = encodeURIComponent(target);
  if (name.length <= 200) return `${name}.lock`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(target));
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return `${name.slice(0, 100)}-${hex.join("")}.lock`;
}

/**
 * Takes the lock of a target; what an earlier run left holding it is ended first.
 *
 * @param target without symlinks.
 * @throws {Failure} "locked" where somebody holds it, "busy" where the file cannot be made now.
 * @throws the reason of `stopping` where that came first.
 */
export async function lockTarget(
  target: string,
  world: World,
  stopping: AbortSignal,
): Promise<TargetLock> {
  const { files, locks } = world;
  const path = `${world.runDirectory}/${await lockName(target)}`;
  const fault = (errno: unknown, what = String(errno)) => {
    // A /run that is full now need not be at the next try.
    const [kind, hint] = passes(errno)
      ? ["busy", "check what fills it, and the limits on descriptors"] as const
      : ["configuration", "is it writable?"] as const;
    return new Failure(kind, `Cannot lock "${target}" by "${path}": ${what}; ${hint}`);
  };
  try {
    await files.makeDirectory(world.runDirectory, 0o755);
  } catch (error) {
    throw fault(errnoOf(error), messageOf(error));
  }
  const orphan = new Orphan(
    target,
    path,
    async () => parseLockRecord(await readTextIfAny(path, files) ?? ""),
    world,
    stopping,
  );
  for (;;) {
    const opened = locks.open(path);
    if ("errno" in opened) throw fault(errnoName(opened.errno));
    const { fd } = opened;
    const errno = locks.tryLock(fd);
    if (errno === 0 && await isNamed(fd, path, world)) {
      const lock = new HeldLock(target, fd, path, await recordOf(target, path, world), world);
      await lock.write({});
      return lock;
    }
    locks.close(fd);
    if (errno === ERRNO.EAGAIN) await orphan.wait();
    else if (errno !== 0) throw fault(errnoName(errno));
  }
}

/** Whether a file is still the one of this name: one that was removed between open and lock is nobody's lock. */
async function isNamed(fd: number, path: string, { files }: World): Promise<boolean> {
  const [mine, named] = await Promise.all([files.stat(`/proc/self/fd/${fd}`), files.stat(path)]);
  return mine !== null && mine.inode === named?.inode;
}

/** What the file is to say by now: of this wrapper, and of the mount that an earlier one has left. */
async function recordOf(target: string, path: string, world: World): Promise<LockRecord> {
  const left = parseLockRecord(await world.files.readText(path));
  const wrapper = await markProcess(world.pid, world) ?? { pid: world.pid, startTime: "" };
  return { target, wrapper, mount: left?.mount, mounting: left?.mounting };
}

class HeldLock implements TargetLock {
  readonly #first: LockRecord;
  #record: LockRecord;
  /** One after the other: the last word is what stays. */
  #writing = Promise.resolve();
  #released = false;

  constructor(
    readonly target: string,
    readonly fd: number,
    readonly path: string,
    record: LockRecord,
    readonly world: World,
  ) {
    this.#first = this.#record = record;
  }

  known(): LockNotes {
    return this.#record;
  }

  write(notes: LockNotes): Promise<void> {
    this.#record = { ...this.#record, ...notes };
    return this.#writing = this.#writing.then(() => this.#put());
  }

  async #put(): Promise<void> {
    const { path, world: { files, log } } = this;
    if (this.#released) return;
    try {
      await files.writeText(path, `${JSON.stringify(this.#record)}\n`);
    } catch (error) {
      // The lock itself holds; only who comes after a kill knows less.
      const why = messageOf(error);
      log.warn(`Cannot write "${path}": ${why}`, { event: "file-failed", path, why });
    }
  }

  async release(): Promise<void> {
    const { files, locks } = this.world;
    this.#released = true;
    await this.#writing;
    const isUntouched = (what: "mount" | "mounting") =>
      this.#first[what] !== undefined && this.#record[what] === this.#first[what];
    if (!isUntouched("mount") && !isUntouched("mounting")) {
      await files.remove(this.path).catch(() => {});
    }
    locks.close(this.fd);
  }
}
