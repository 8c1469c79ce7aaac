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
import type { MountSpec } from "../mod/source.ts";
import { aside, cString, type Libc, readErrno } from "./libc.ts";

function uniqueMountId(libc: Libc, fd: number): string {
  const buffer = new Uint8Array(256); // struct statx
  const result = libc.statx(fd, cString(""), AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, buffer);
  const view = new DataView(buffer.buffer);
  const known = result === 0 && (view.getUint32(0, true) & STATX_MNT_ID_UNIQUE) !== 0;
  return known ? String(view.getBigUint64(144, true)) : "";
}

/** open(2) on a thread of its own; what it cannot open it is asked for once more, for errno: that is soon said. */
async function openPatiently(
  libc: Libc,
  path: string,
  flags: number,
): Promise<{ readonly fd: number } | { readonly errno: number }> {
  const name = cString(path);
  const fd = await aside(libc.openAside, name, flags, 0);
  if (fd >= 0) return { fd };
  const again = libc.open(name, flags, 0);
  return again < 0 ? { errno: readErrno(libc) } : { fd: again };
}

/** What mount(2) takes. */
function mountArguments(spec: MountSpec) {
  return [
    cString(spec.source),
    cString(spec.target),
    cString(spec.fstype),
    BigInt(spec.flags),
    spec.data === "" ? null : cString(spec.data),
  ] as const;
}

/** mount(2), with everything else standing still meanwhile; 0 or errno. */
export function mountHere(libc: Libc, spec: MountSpec): number {
  return libc.mount(...mountArguments(spec)) === 0 ? 0 : readErrno(libc);
}

/** A call that fails this late can take as long once more: a disk that dies is asked again and again. */
const SLOW_MS = 1000;
/** mount(2) of an export that fails this late got no answer; a server that refuses does so at once. */
const TIMED_OUT_MS = 5000;

/**
 * A Mounter over libc. Calls that can block for minutes run on a thread of their own. errno of that
 * thread cannot be read, so a call that failed there is made once more where it can be: it fails in the
 * same way, or now succeeds, which is as good.
 *
 * @param apart mount(2) in another process; 0 or errno, `null` where it was not made.
 * @param stopping after it nobody asks any more why a mount failed.
 */
export function libcMounter(
  libc: Libc,
  apart: (spec: MountSpec) => Promise<number | null>,
  stopping: AbortSignal,
): Mounter {
  return {
    async mount(spec) {
      const startMs = performance.now();
      if (await aside(libc.mountAside, ...mountArguments(spec)) === 0) return 0;
      if (stopping.aborted) return ERRNO.EINTR;
      const tookMs = performance.now() - startMs;
      const isPath = /^\/[^/]/.test(spec.source);
      if (tookMs >= TIMED_OUT_MS && !isPath) return ERRNO.ETIMEDOUT;
      const errno = tookMs >= SLOW_MS ? await apart(spec) : null;
      return errno ?? mountHere(libc, spec);
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
      return openPatiently(libc, path, O_RDONLY | O_DIRECTORY[Deno.build.arch] | O_CLOEXEC);
    },

    uniqueMountId: (fd) => uniqueMountId(libc, fd),

    uniqueMountIdAt(path) {
      const fd = libc.open(cString(path), O_PATH | O_CLOEXEC, 0);
      if (fd < 0) return "";
      const id = uniqueMountId(libc, fd);
      libc.close(fd);
      return id;
    },

    async isInUse(device) {
      const flags = O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC;
      const opened = await openPatiently(libc, device, flags);
      if ("errno" in opened) return opened.errno === ERRNO.EBUSY;
      libc.close(opened.fd);
      return false;
    },

    async closeDirectory(fd) {
      await libc.closeAside(fd);
    },

    async sync(fd) {
      // A second call would answer 0: the kernel reports a lost write once to each descriptor.
      return await libc.syncfsAside(fd) === 0;
    },
  };
}
