/**
 * The kernel's own record of processes, mounts and sockets (tracefs, Documentation/trace/ftrace.rst): to the
 * microsecond, and with no process in the way of what is measured. While it is on, each syscall of the
 * machine takes 0.1 to 0.2 us more: about 1 ms for all of a start.
 *
 * @module
 */
import { runTool } from "./measure_start.ts";

/** One line of the record. */
export interface TraceEvent {
  /** The thread, as the kernel numbers it outside of all containers. */
  readonly pid: number;
  readonly ms: number;
  /** `sched_process_exec`, `sys_mount -> 0x0`. */
  readonly name: string;
  /** `filename=/usr/sbin/blkid pid=9786 old_pid=9786`. */
  readonly detail: string;
}

/** Parses the file `trace`; lines of another form are left out. */
export function parseTrace(text: string): TraceEvent[] {
  const line = /^ .*-(\d+) +\[\d+\] \S+ +(\d+\.\d+): (sys_\w+ -> \S+|\w+)(?:: (.*))?$/gm;
  return [...text.matchAll(line)].map(([, pid, seconds, name, detail]) => ({
    pid: Number(pid),
    ms: Number(seconds) * 1000,
    name: name!,
    detail: detail ?? "",
  }));
}

const EVENTS = [
  "sched/sched_process_fork",
  "sched/sched_process_exec",
  "sched/sched_process_exit",
  "syscalls/sys_exit_mount",
  "syscalls/sys_exit_move_mount",
  "syscalls/sys_exit_listen",
];

/** A trace of this process alone, beside any other that goes on. */
export class Trace implements AsyncDisposable {
  private constructor(private readonly root: string, private readonly path: string) {}

  /** @throws {Error} where the kernel has no tracefs, or not these events. */
  static async start(directory: string): Promise<Trace> {
    const root = `${directory}/tracefs`;
    await Deno.mkdir(root);
    await runTool("mount", "-t", "tracefs", "tracefs", root).catch(async (error) => {
      await Deno.remove(root);
      throw new Error(`Cannot trace: the kernel needs CONFIG_FTRACE_SYSCALLS: ${error.message}`);
    });
    const trace = new Trace(root, `${root}/instances/restic-rest-server-${Deno.pid}`);
    await Deno.mkdir(trace.path);
    try {
      await trace.#write("trace_clock", "mono");
      for (const event of EVENTS) await trace.#write(`events/${event}/enable`, "1");
    } catch (error) {
      await trace[Symbol.asyncDispose]();
      throw error;
    }
    return trace;
  }

  async #write(file: string, text: string): Promise<void> {
    using opened = await Deno.open(`${this.path}/${file}`, { write: true });
    await opened.write(new TextEncoder().encode(text));
  }

  /** Empties the record, and begins it with an event `tracing_mark_write`. */
  async begin(): Promise<void> {
    await Deno.writeTextFile(`${this.path}/trace`, "");
    await this.#write("trace_marker", "begin");
  }

  async events(): Promise<TraceEvent[]> {
    return parseTrace(await Deno.readTextFile(`${this.path}/trace`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path);
    await runTool("umount", this.root);
    await Deno.remove(this.root);
  }
}
