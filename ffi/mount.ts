/**
 * mount(2), umount2(2) and syncfs(2): the Mounter.
 *
 * @module
 */
import {
  AT_EMPTY_PATH,
  ERRNO,
  MNT_DETACH,
  MNT_FORCE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_EXCL,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  STATX_MNT_ID_UNIQUE,
  UMOUNT_NOFOLLOW,
} from "../mod/linux.ts";
import type { Mounter } from "../mod/mounter.ts";
import { aside, cString, type Libc, readErrno } from "./libc.ts";

function uniqueMountId(libc: Libc, fd: number): string {
  const buffer = new Uint8Array(256); // struct statx
  const result = libc.statx(fd, cString(""), AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, buffer);
  const view = new DataView(buffer.buffer);
  const known = result === 0 && (view.getUint32(0, true) & STATX_MNT_ID_UNIQUE) !== 0;
  return known ? String(view.getBigUint64(144, true)) : "";
}

/** mount(2) of an export that fails this late got no answer; a server that refuses does so at once. */
const TIMED_OUT_MS = 5000;

/**
 * A Mounter over libc. Calls that can block for minutes run on a thread of their own. errno of that
 * thread cannot be read, so a call that failed there is made once more here: it fails in the same way
 * at once, or now succeeds, which is as good.
 */
export function libcMounter(libc: Libc): Mounter {
  return {
    async mount(spec) {
      const args = [
        cString(spec.source),
        cString(spec.target),
        cString(spec.fstype),
        BigInt(spec.flags),
        spec.data === "" ? null : cString(spec.data),
      ] as const;
      const startMs = performance.now();
      if (await aside(libc.mountAside, ...args) === 0) return 0;
      // Once more it would take as long, with everything else standing still.
      const timedOut = performance.now() - startMs >= TIMED_OUT_MS;
      const isPath = /^\/[^/]/.test(spec.source);
      if (timedOut && !isPath) return ERRNO.ETIMEDOUT;
      return libc.mount(...args) === 0 ? 0 : readErrno(libc);
    },

    async unmount(target, { detach }) {
      const path = cString(target);
      const flags = UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0);
      if (await aside(libc.umount2Aside, path, flags) === 0) return 0;
      return libc.umount2(path, flags) === 0 ? 0 : readErrno(libc);
    },

    async giveUp(target) {
      await aside(libc.umount2Aside, cString(target), UMOUNT_NOFOLLOW | MNT_FORCE);
    },

    openDirectory(path) {
      const flags = O_RDONLY | O_DIRECTORY[Deno.build.arch] | O_CLOEXEC;
      const fd = libc.open(cString(path), flags, 0);
      return fd < 0 ? { errno: readErrno(libc) } : { fd };
    },

    uniqueMountId: (fd) => uniqueMountId(libc, fd),

    uniqueMountIdAt(path) {
      const fd = libc.open(cString(path), O_PATH | O_CLOEXEC, 0);
      if (fd < 0) return "";
      const id = uniqueMountId(libc, fd);
      libc.close(fd);
      return id;
    },

    isInUse(device) {
      const fd = libc.open(cString(device), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0);
      if (fd < 0) return readErrno(libc) === ERRNO.EBUSY;
      libc.close(fd);
      return false;
    },

    closeDirectory(fd) {
      libc.close(fd);
    },

    async sync(fd) {
      // A second call would answer 0: the kernel reports a lost write once to each descriptor.
      return await libc.syncfsAside(fd) === 0;
    },
  };
}
