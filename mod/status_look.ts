/**
 * Looks at a run from outside: what its status file says, held against the kernel.
 *
 * @module
 */
import { limited } from "./announce.ts";
import { messageOf } from "./exit.ts";
import { mountAt, type MountInfo, parseMountinfo } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
import { isAlive } from "./processes.ts";
import { type Listener, parseTcpListeners, parseUnixListeners } from "./proc_net.ts";
import type { StatusRecord } from "./status_record.ts";
import type { Clock, Files } from "./world.ts";

/** What statfs(2) says of a file system. */
export interface Space {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  /** What is left for rest-server: less than size minus used where some is kept for root. */
  readonly freeBytes: number;
  /** 0 where the file system does not count them. */
  readonly inodes: number;
  readonly freeInodes: number;
}

/** What is asked of the world. */
export interface StatusEdges {
  readonly files: Files;
  readonly clock: Clock;
  /** Reads a text of the kernel off the main thread: even that can hang with a mount. */
  readText(path: string): Promise<string>;
  statfs(path: string): Promise<Space>;
}

/** A run, as far as it can be seen. */
export interface Instance {
  readonly record: StatusRecord;
  /** The status file that tells of it. */
  readonly path: string;
  /** Whether the wrapper that the file names lives, by its pid and its start time. */
  readonly alive: boolean;
  /** The same of rest-server. */
  readonly serverAlive: boolean;
  /** The mount on the target; `null` where there is none, or nobody could say. */
  readonly mount: MountInfo | null;
  /** `null` where it could not be asked. */
  readonly space: Space | null;
  /** Addresses that rest-server listens on; `null` where this user may not look. */
  readonly listening: readonly string[] | null;
  /** Why nothing is served; `null` where it is. */
  readonly why: string | null;
}

/** What a status file says, and where it lies. */
export type StatusOfFile = Pick<Instance, "record" | "path">;

/** A disk that takes longer to answer is called hanging. */
const DISK_LIMIT_MS = 3000;

/** An address as `--listen` takes it. */
function formatListener({ host, port }: Listener): string {
  if (port === 0) return `unix:${host}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The addresses of the sockets among a process's descriptors, in order and each once.
 *
 * @param links what the names in `/proc/PID/fd` lead to.
 */
export function listenersOf(links: readonly string[], listeners: readonly Listener[]): string[] {
  const own = new Set(links);
  const found = listeners.filter(({ inode }) => own.has(`socket:[${inode}]`)).map(formatListener);
  return [...new Set(found)].toSorted();
}

/** Whether nothing can be written to a mount: as it was asked for, or after an error. */
export function isReadOnly({ mountOptions, superOptions }: MountInfo): boolean {
  return [...mountOptions, ...superOptions].some((option) => /^(emergency_)?ro$/.test(option));
}

async function findListening(pid: number, files: Files): Promise<string[] | null> {
  const directory = `/proc/${pid}/fd`;
  const names = await files.list(directory).catch(() => null);
  if (names === null) return null;
  const links = await Promise.all(
    names.map((name) => files.readLink(`${directory}/${name}`).catch(() => "")),
  );
  // Of its own network namespace, which need not be ours.
  const [tcp = "", tcp6 = "", unix = ""] = await Promise.all(
    ["tcp", "tcp6", "unix"].map((name) => readTextIfAny(`/proc/${pid}/net/${name}`, files)),
  );
  return listenersOf(links, [
    ...[tcp, tcp6].flatMap(parseTcpListeners),
    ...parseUnixListeners(unix),
  ]);
}

/**
 * Waits for what a disk may never answer.
 *
 * @throws {Error} where it takes too long.
 */
export function unlessHanging<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  return limited(answer, DISK_LIMIT_MS, () => {
    throw new Error(`no answer within ${DISK_LIMIT_MS / 1000} s; is the disk hanging?`);
  }, clock);
}

/** Where our own way to a path of another process's mount namespace begins. */
async function viewOf(pid: number, files: Files): Promise<string> {
  const [its, ours] = await Promise.all(
    [pid, "self"].map((who) => files.readLink(`/proc/${who}/ns/mnt`).catch(() => "")),
  );
  return its === "" || its === ours ? "" : `/proc/${pid}/root`;
}

/** What is mounted, and how full it is; and why it cannot be served from, where that is so. */
async function lookAtDisk(
  target: string,
  pid: number,
  { files, clock, readText, statfs }: StatusEdges,
): Promise<Pick<Instance, "mount" | "space" | "why">> {
  let mount: MountInfo | null = null;
  try {
    const text = await unlessHanging(readText(`/proc/${pid}/mountinfo`), clock);
    mount = mountAt(parseMountinfo(text), target) ?? null;
    if (mount === null) return { mount, space: null, why: `nothing is mounted on "${target}"` };
    const space = await unlessHanging(statfs(`${await viewOf(pid, files)}${target}`), clock);
    const dead = mount.superOptions.includes("shutdown");
    return { mount, space, why: dead ? "its file system was shut down after an error" : null };
  } catch (error) {
    // Not for this user to ask: that says nothing of the disk.
    const denied = error instanceof Deno.errors.PermissionDenied ||
      (error as { code?: unknown }).code === "EACCES";
    return {
      mount,
      space: null,
      why: denied ? null : `Cannot ask "${target}": ${messageOf(error)}`,
    };
  }
}

type Seen = Omit<Instance, "why">;

/** Why the run does not serve, by what was seen of its processes; `null`: nothing speaks against it. */
function judgeProcesses({ record, alive, serverAlive, listening }: Seen): string | null {
  const { wrapper, server, phase, text, ended } = record;
  if (!alive) {
    const how = ended ?? "it was killed, or crashed";
    return `it does not run: process ${wrapper.pid} is gone (${how})`;
  }
  if (phase !== "serving") return text;
  if (!serverAlive) {
    return `rest-server is gone${server === null ? "" : ` (process ${server.pid})`}`;
  }
  return listening?.length === 0 ? "rest-server listens on no socket" : null;
}

/** Looks at the run of a status file. Ends in time, whatever the disk does. */
export async function lookAt(
  { record, path }: StatusOfFile,
  edges: StatusEdges,
): Promise<Instance> {
  const { wrapper, server, target, phase } = record;
  const { files } = edges;
  const alive = await isAlive(wrapper, edges);
  const serverAlive = server !== null && await isAlive(server, edges);
  const seen = { record, path, alive, serverAlive, mount: null, space: null, listening: null };
  // hidepid= of proc(5): the first process is there for all who may see others.
  if (!alive && await readTextIfAny("/proc/1/stat", files) === undefined) {
    const why =
      `nobody can tell: /proc shows this user no process of others, such as ${wrapper.pid}`;
    return { ...seen, why };
  }
  const mounts = alive && ["serving", "stopping", "unmounting"].includes(phase);
  const [disk, listening] = await Promise.all([
    mounts && target !== null
      ? lookAtDisk(target, wrapper.pid, edges)
      : { mount: null, space: null, why: null },
    serverAlive ? findListening(server.pid, files) : null,
  ]);
  const all = { ...seen, ...disk, listening };
  return { ...all, why: judgeProcesses(all) ?? disk.why };
}
