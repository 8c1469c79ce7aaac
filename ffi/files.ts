/**
 * What Deno's own file API cannot do: a lock that a child inherits, and the kernel's log read without
 * blocking.
 *
 * @module
 */
import {
  ERRNO,
  F_SETFD,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  SEEK_END,
} from "../mod/linux.ts";
import type { FileLocks } from "../mod/lock.ts";
import type { KernelLog } from "../mod/mounter.ts";
import { cString, type Libc, readErrno } from "./libc.ts";

/** flock(2) on a descriptor that execve(2) keeps only while {@linkcode FileLocks.inherit} says so. */
export function libcFileLocks(libc: Libc): FileLocks {
  return {
    open(path) {
      const fd = libc.open(cString(path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600);
      return fd < 0 ? { errno: readErrno(libc) } : { fd };
    },
    tryLock(fd) {
      return libc.flock(fd, LOCK_EX | LOCK_NB) === 0 ? 0 : readErrno(libc);
    },
    inherit(fd, on) {
      libc.fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
    },
    close(fd) {
      libc.close(fd);
    },
  };
}

/** One record of /dev/kmsg is at most this long: `PRINTK_MESSAGE_MAX` in `kernel/printk/internal.h`. */
const RECORD_MAX_BYTES = 8192;

/** Opens /dev/kmsg at its end; `null` where it is not readable (`kernel.dmesg_restrict`). */
export function openKernelLog(libc: Libc): KernelLog | null {
  const fd = libc.open(cString("/dev/kmsg"), O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd < 0) return null;
  libc.lseek(fd, 0n, SEEK_END);
  const buffer = new Uint8Array(RECORD_MAX_BYTES);
  return {
    read() {
      const records: string[] = [];
      // The ring can wrap while it is read (EPIPE): the next read goes on behind the gap.
      for (let gaps = 0; gaps < 10;) {
        const length = Number(libc.read(fd, buffer, BigInt(buffer.length)));
        if (length > 0) records.push(new TextDecoder().decode(buffer.subarray(0, length)));
        else if (length < 0 && readErrno(libc) === ERRNO.EPIPE) gaps++;
        else break;
      }
      return records;
    },
    close() {
      libc.close(fd);
    },
  };
}
