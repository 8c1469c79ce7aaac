/**
 * Processes of a test.
 *
 * @module
 */
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
