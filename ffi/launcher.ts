/**
 * The wrapper's side of the launcher: starts this program once more, gives it its plan, and hears how far it got.
 *
 * @module
 */
import { LAUNCH_VARIABLE, type Launcher, type LaunchReport, parseReport } from "../mod/launch.ts";
import { AF_UNIX, ERRNO, errnoName, F_SETFD, SOCK_CLOEXEC, SOCK_SEQPACKET } from "../mod/linux.ts";
import type { Programs, ServerProcess } from "../mod/world.ts";
import { aside, type Libc, readErrno } from "./libc.ts";
import { MESSAGE_MAX_BYTES, sendMessage } from "./messages.ts";

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
  // What does not fit of a message is lost, see unix(7).
  const buffer = new Uint8Array(MESSAGE_MAX_BYTES);
  let text = "";
  for (;;) {
    const length = Number(await aside(libc.readAside, fd, buffer, BigInt(buffer.length)));
    if (length <= 0) return text;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
}

/** A launcher over a socket that execve(2) closes: its end says that rest-server is what runs now. */
export function libcLauncher(
  libc: Libc,
  { start }: Pick<Programs, "start">,
  { command: [program, ...before], variables }: SelfCommand,
): Launcher {
  return {
    start(args) {
      const pair = new Int32Array(2);
      if (libc.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) !== 0) {
        throw new Error(`socketpair(2): ${errnoName(readErrno(libc))}`);
      }
      const [own, inherited] = [pair[0]!, pair[1]!];
      let server: ServerProcess;
      try {
        libc.fcntl(inherited, F_SETFD, 0);
        server = start(program, [...before, ...args], {
          ...variables,
          [LAUNCH_VARIABLE]: String(inherited),
        });
      } catch (error) {
        libc.close(own);
        throw error;
      } finally {
        libc.close(inherited);
      }
      let ended = false;
      void server.status.then(() => ended = true);
      return {
        pid: server.pid,
        get ended() {
          return ended;
        },
        launch(plan, rootFd) {
          const errno = sendMessage(libc, own, JSON.stringify(plan), rootFd);
          const launched: Promise<LaunchReport> = readAll(libc, own)
            .finally(() => libc.close(own)).then(parseReport);
          // One that is gone by now (EPIPE) got no plan: its status says how it ended.
          if (errno === 0 || errno === ERRNO.EPIPE) return { ...server, launched };
          server.kill("SIGKILL");
          const message = `Cannot hand the launcher of rest-server its plan: ${errnoName(errno)} ` +
            "(sendmsg(2)); check the limits on descriptors and memory, and the length of paths";
          const failure = { kind: "busy", message } as const;
          return { ...server, launched: launched.then((report) => ({ ...report, failure })) };
        },
        async dismiss() {
          libc.close(own);
          server.kill("SIGKILL");
          await server.status;
        },
      };
    },
  };
}
