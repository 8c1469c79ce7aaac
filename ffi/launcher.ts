/**
 * The wrapper's side of the launcher: starts this program once more, and hears how far it got.
 *
 * @module
 */
import {
  type Handover,
  LAUNCH_VARIABLE,
  type Launcher,
  type LaunchReport,
  parseReport,
} from "../mod/launch.ts";
import { errnoName, F_SETFD, FD_CLOEXEC, O_CLOEXEC } from "../mod/linux.ts";
import type { Programs } from "../mod/world.ts";
import { type Libc, readErrno } from "./libc.ts";

/** How this program is started once more. */
export interface SelfCommand {
  /** The executable, and what stands before rest-server's arguments. */
  readonly command: readonly [string, ...string[]];
  /** Deno's own variables, which this process no longer has in its environment. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Reads until the other side is gone; on a thread of its own, for it waits. */
async function readAll(libc: Libc, fd: number): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  let text = "";
  for (;;) {
    const length = Number(await libc.readAside(fd, buffer, BigInt(buffer.length)));
    if (length <= 0) return text;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
}

/** A launcher over a pipe that execve(2) closes: its end says that rest-server is what runs now. */
export function libcLauncher(
  libc: Libc,
  { start }: Pick<Programs, "start">,
  { command: [program, ...before], variables }: SelfCommand,
): Launcher {
  return {
    start(plan, args, rootFd) {
      const pipe = new Int32Array(2);
      if (libc.pipe2(pipe, O_CLOEXEC) !== 0) {
        throw new Error(`pipe2(2): ${errnoName(readErrno(libc))}`);
      }
      const [readFd, reportFd] = [pipe[0]!, pipe[1]!];
      const inherited = rootFd === null ? [reportFd] : [reportFd, rootFd];
      const handover: Handover = { ...plan, reportFd, rootFd };
      try {
        for (const fd of inherited) libc.fcntl(fd, F_SETFD, 0);
        const server = start(program, [...before, ...args], {
          ...variables,
          [LAUNCH_VARIABLE]: JSON.stringify(handover),
        });
        const launched: Promise<LaunchReport> = readAll(libc, readFd)
          .finally(() => libc.close(readFd)).then(parseReport);
        return { ...server, launched };
      } catch (error) {
        libc.close(readFd);
        throw error;
      } finally {
        for (const fd of inherited) libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
        libc.close(reportFd);
      }
    },
  };
}
