/**
 * Processes that a later run can recognize.
 *
 * @module
 */
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

/** Processes by descriptor, which never comes to mean another process as a pid can, see pidfd_open(2). */
export interface Processes {
  open(pid: number): { readonly fd: number } | { readonly errno: number };
  /** SIGKILL by pidfd_send_signal(2); 0 or errno. */
  kill(fd: number): number;
  close(fd: number): void;
}

/** A process that a later one can recognize: pids are used again, pids with a start time are not. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5). */
  readonly startTime: string;
}

/** Whether what a file holds is a mark. */
export function isProcessMark(value: unknown): value is ProcessMark {
  const mark = value as Partial<ProcessMark> | null | undefined;
  return Number.isSafeInteger(mark?.pid) && mark!.pid! >= 0 && typeof mark!.startTime === "string";
}

/** A rest-server, or the launcher that becomes it. */
export interface ServerMark extends ProcessMark {
  /** What it runs, by its path. */
  readonly executable: string;
}

/** Field 22 of the text of `/proc/PID/stat`; the name in field 2 can hold anything, so it counts from its end. */
export function parseStartTime(stat: string): string | undefined {
  return fieldsOf(stat)[19];
}

/** Fields 3 and up. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The mark of a process; `undefined` where it is gone. A zombie is gone: it holds nothing any more. */
export async function markProcess(
  pid: number,
  world: Pick<World, "files">,
): Promise<ProcessMark | undefined> {
  const stat = await readTextIfAny(`/proc/${pid}/stat`, world.files);
  const startTime = stat === undefined ? undefined : parseStartTime(stat);
  if (startTime === undefined || /^[ZX]/.test(fieldsOf(stat!)[0]!)) return undefined;
  return { pid, startTime };
}

/** The mark of rest-server; `undefined` where it is gone, or not ours to look at. */
export async function markServer(pid: number, world: World): Promise<ServerMark | undefined> {
  const mark = await markProcess(pid, world);
  const executable = await world.files.readLink(`/proc/${pid}/exe`).catch(() => undefined);
  if (mark === undefined || executable === undefined) return undefined;
  // proc(5): one that was replaced meanwhile, by an upgrade, still runs.
  return { ...mark, executable: executable.replace(/ \(deleted\)$/, "") };
}

/** Field 5 of `/proc/PID/stat`: the process group. */
function groupOf(stat: string): string | undefined {
  return fieldsOf(stat)[2];
}

/**
 * Whether a process has a file open, by the text of its links: to ask for the file behind one could hang on a
 * disk that does.
 *
 * @param path without symlinks.
 */
export async function hasOpen(
  pid: number,
  path: string,
  { files }: Pick<World, "files">,
): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  // It ended meanwhile, or is not ours to look at.
  for (const fd of await files.list(directory).catch((): string[] => [])) {
    if (await files.readLink(`${directory}/${fd}`).catch(() => "") === path) return true;
  }
  return false;
}

/** Another process that has a file open. */
export interface FileHolder {
  readonly pid: number;
  /** Field 2 of `/proc/PID/stat`. */
  readonly name: string;
}

/**
 * The other processes that have a file open.
 *
 * @param path without symlinks.
 * @param where "group": only those of this program's own process group, which is soon looked through.
 */
export async function findHoldersOf(
  path: string,
  where: "group" | "everywhere",
  world: Pick<World, "files" | "pid">,
): Promise<FileHolder[]> {
  const { files, pid: own } = world;
  const statOf = async (pid: number) => await readTextIfAny(`/proc/${pid}/stat`, files) ?? "";
  const group = groupOf(await statOf(own));
  const found: FileHolder[] = [];
  for (const entry of await files.list("/proc").catch((): string[] => [])) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === own) continue;
    const stat = await statOf(pid);
    if (where === "group" && groupOf(stat) !== group) continue;
    if (!await hasOpen(pid, path, world)) continue;
    found.push({ pid, name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")) });
  }
  return found;
}

/** Whether the process of a mark still lives. */
export async function isAlive(
  mark: ProcessMark | undefined,
  world: Pick<World, "files">,
): Promise<boolean> {
  if (mark === undefined) return false;
  return (await markProcess(mark.pid, world))?.startTime === mark.startTime;
}
