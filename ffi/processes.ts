/**
 * Processes by descriptor, see pidfd_open(2): older C libraries have no functions for it.
 *
 * @module
 */
import { SIGNALS, SYS_PIDFD_OPEN, SYS_PIDFD_SEND_SIGNAL } from "../mod/linux.ts";
import type { Processes } from "../mod/processes.ts";
import { type Libc, readErrno } from "./libc.ts";

/** pidfd_open(2) and pidfd_send_signal(2). */
export function libcProcesses(libc: Libc): Processes {
  return {
    open(pid) {
      const fd = Number(libc.pidfdOpen(BigInt(SYS_PIDFD_OPEN), pid, 0));
      return fd < 0 ? { errno: readErrno(libc) } : { fd };
    },
    kill(fd) {
      const call = BigInt(SYS_PIDFD_SEND_SIGNAL);
      const sent = libc.pidfdSendSignal(call, fd, SIGNALS.SIGKILL, null, 0);
      return Number(sent) === 0 ? 0 : readErrno(libc);
    },
    close(fd) {
      libc.close(fd);
    },
  };
}
