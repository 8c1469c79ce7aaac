/**
 * Processes of a test.
 *
 * @module
 */
import { LAUNCH_VARIABLE } from "../../mod/launch.ts";
import { until } from "./wait.ts";
import type { Wrapper } from "./wrapper.ts";

/** The children of a process. */
export function childPids(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ").map(Number).filter(
      Boolean,
    )
  );
}

/** The rest-server of a wrapper that serves: its one child. */
export function serverPid(wrapper: Wrapper): number {
  const [pid, ...others] = childPids(wrapper.pid);
  if (pid === undefined || others.length > 0) throw new Error(`children: ${pid}, ${others}`);
  return pid;
}

/** Whether a process runs; one that nobody has reaped yet does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** Whether a process is the program's launcher, which has not become rest-server yet. */
export async function isLauncher(pid: number): Promise<boolean> {
  // Between fork and execve it has its parent's environment, and as rest-server it has lost the variable.
  const environment = await Deno.readTextFile(`/proc/${pid}/environ`).catch(() => "");
  return environment.includes(`\0${LAUNCH_VARIABLE}=`) || environment.startsWith(LAUNCH_VARIABLE);
}

/** The processes that run with a variable in their environment, as it was when they were started. */
export function processesWith(variable: string): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter(Boolean);
  return pids.filter((pid) => {
    try {
      const environment = Deno.readTextFileSync(`/proc/${pid}/environ`);
      return environment.split("\0").includes(variable) && isRunning(pid);
    } catch {
      return false; // It has ended, or is not ours to look at.
    }
  });
}

/** Numbers of system calls, from each architecture's `asm/unistd.h`. */
const SYSTEM_CALLS = {
  x86_64: { mount: 165, umount2: 166, syncfs: 306 },
  aarch64: { mount: 40, umount2: 39, syncfs: 267 },
}[Deno.build.arch as "x86_64" | "aarch64"];

/** Whether a thread of a process is in a system call, see `/proc/pid/syscall` in proc(5). */
export function isIn(pid: number, call: keyof typeof SYSTEM_CALLS): boolean {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].some(({ name }) => {
    try {
      const [number] = Deno.readTextFileSync(`/proc/${pid}/task/${name}/syscall`).split(" ");
      return Number(number) === SYSTEM_CALLS[call];
    } catch {
      return false; // The thread has ended.
    }
  });
}

/** The threads of a process with how often each has run so far; `null` where one is in a state of `busy`. */
function threadsAtRest(pid: number, busy: string): string | null {
  try {
    const threads = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
      const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
      const state = /^State:\t(.)/m.exec(status)![1]!;
      return { state, ran: `${name} ${status.match(/ctxt_switches:.*/g)}` };
    });
    if (threads.some(({ state }) => busy.includes(state))) return null;
    return threads.map(({ ran }) => ran).join("\n");
  } catch {
    return isRunning(pid) ? null : "ended";
  }
}

/**
 * Waits until no thread of a process runs: it has done by then what a signal makes it do at once. The kernel
 * wakes a thread before kill(2) returns, and a thread that wakes another one does so before it sleeps.
 *
 * @param busy states of proc(5) in which a thread is not at rest; with `D` neither is one that waits for a disk.
 */
export async function untilAtRest(pid: number, busy: "R" | "RD" = "R"): Promise<void> {
  // Who slept at both looks and ran at no time between them slept all the while: all did so at one moment.
  await until(() => {
    const before = threadsAtRest(pid, busy);
    return before !== null && threadsAtRest(pid, busy) === before;
  }, `process ${pid} has nothing to do`);
}

/** A process that keeps a directory busy by standing in it; `await using` ends it. */
export async function standIn(directory: string): Promise<{ pid: number } & AsyncDisposable> {
  const child = new Deno.Command("sleep", { args: ["1000"], cwd: directory, stdin: "null" })
    .spawn();
  await Promise.resolve();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}
