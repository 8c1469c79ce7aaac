/**
 * One wrapper a target: an flock(2) that rest-server inherits, so that it is held while either lives.
 *
 * @module
 */
import { Failure, messageOf } from "./exit.ts";
import { ERRNO, errnoName } from "./linux.ts";
import type { MountInfo } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
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

/** A process that a later one can recognize: pids are used again, pids with a start time are not. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5). */
  readonly startTime: string;
}

/** A mount that a later one can recognize: what mountinfo says of it, and the id that is never used again. */
export interface MountMark
  extends Pick<MountInfo, "mountId" | "majorMinor" | "fsType" | "mountSource"> {
  /** STATX_MNT_ID_UNIQUE, see statx(2); "" before Linux 6.8. */
  readonly uniqueId: string;
}

/** What the lock file says. */
export interface LockRecord {
  readonly target: string;
  readonly wrapper: ProcessMark;
  readonly server?: ProcessMark;
  /** The mount that this program made. */
  readonly mount?: MountMark;
}

/** A held lock. */
export interface TargetLock {
  /** What an earlier wrapper left in the file; `undefined` after a clean end. */
  readonly left: LockRecord | undefined;
  readonly fd: number;
  /** Says in the file what was mounted and started; a failure is only logged. */
  write(record: Pick<LockRecord, "server" | "mount">): Promise<void>;
  release(): Promise<void>;
}

/** Field 22 of the text of `/proc/PID/stat`; the name in field 2 can hold anything, so it counts from its end. */
export function parseStartTime(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

/** The mark of a process; `undefined` where it is gone. */
export async function markProcess(pid: number, world: World): Promise<ProcessMark | undefined> {
  const stat = await readTextIfAny(`/proc/${pid}/stat`, world.files);
  const startTime = stat === undefined ? undefined : parseStartTime(stat);
  return startTime === undefined ? undefined : { pid, startTime };
}

async function isAlive(mark: ProcessMark | undefined, world: World): Promise<boolean> {
  if (mark === undefined) return false;
  return (await markProcess(mark.pid, world))?.startTime === mark.startTime;
}

/** Parses a lock file; `undefined` for one that is empty or cut short. */
export function parseLockRecord(text: string): LockRecord | undefined {
  try {
    const record = JSON.parse(text);
    return typeof record?.target === "string" && typeof record.wrapper?.pid === "number"
      ? record
      : undefined;
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

/** Names who holds the lock, as well as the file tells. */
async function refuse(target: string, path: string, world: World): Promise<Failure> {
  const record = parseLockRecord(await readTextIfAny(path, world.files) ?? "");
  const holder = await isAlive(record?.wrapper, world)
    ? `another restic-rest-server, process ${record!.wrapper.pid}, serves it`
    : await isAlive(record?.server, world)
    ? `the rest-server of an earlier run, process ${record!.server!.pid}, still serves it`
    : `some process holds "${path}"`;
  return new Failure(
    "locked",
    `Cannot use "${target}": ${holder}; stop that one first, or set another MNT_TARGET`,
  );
}

/**
 * Takes the lock of a target.
 *
 * @param target without symlinks.
 * @throws {Failure} "locked" where somebody holds it.
 */
export async function lockTarget(target: string, world: World): Promise<TargetLock> {
  const { files, locks } = world;
  const path = `${world.runDirectory}/${await lockName(target)}`;
  const fault = (what: string) =>
    new Failure("configuration", `Cannot lock "${target}" by "${path}": ${what}; is it writable?`);
  try {
    await files.makeDirectory(world.runDirectory, 0o700);
  } catch (error) {
    throw fault(messageOf(error));
  }
  // A file that was removed between open and lock is nobody's lock any more: take the new one.
  for (;;) {
    const opened = locks.open(path);
    if ("errno" in opened) throw fault(errnoName(opened.errno));
    const { fd } = opened;
    const errno = locks.tryLock(fd);
    if (errno !== 0) {
      locks.close(fd);
      if (errno === ERRNO.EAGAIN) throw await refuse(target, path, world);
      throw fault(errnoName(errno));
    }
    const [mine, named] = await Promise.all([files.stat(`/proc/self/fd/${fd}`), files.stat(path)]);
    if (mine === null || mine.inode !== named?.inode) {
      locks.close(fd);
      continue;
    }
    const left = parseLockRecord(await files.readText(path));
    const wrapper = await markProcess(world.pid, world) ?? { pid: world.pid, startTime: "" };
    const write = async (record: Pick<LockRecord, "server" | "mount">) => {
      try {
        await files.writeText(path, `${JSON.stringify({ target, wrapper, ...record })}\n`);
      } catch (error) {
        // The lock itself holds; only who comes after a kill knows less.
        world.log.warn(`Cannot write "${path}": ${messageOf(error)}`);
      }
    };
    await write(left?.mount === undefined ? {} : { mount: left.mount });
    return {
      left,
      fd,
      write,
      async release() {
        await files.remove(path).catch(() => {});
        locks.close(fd);
      },
    };
  }
}
