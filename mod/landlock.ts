/**
 * What rest-server may do: the rules of its Landlock sandbox, see landlock(7). It may read everywhere; it
 * may write only below the mounted directory and into the files that its flags name.
 *
 * @module
 */
import { type Listen, resolvePath } from "./server_args.ts";

/** Rights on files, from `include/uapi/linux/landlock.h`; beside each the version that brought it. */
const LANDLOCK_ACCESS_FS = {
  EXECUTE: { bit: 1 << 0, since: 1 },
  WRITE_FILE: { bit: 1 << 1, since: 1 },
  READ_FILE: { bit: 1 << 2, since: 1 },
  READ_DIR: { bit: 1 << 3, since: 1 },
  REMOVE_DIR: { bit: 1 << 4, since: 1 },
  REMOVE_FILE: { bit: 1 << 5, since: 1 },
  MAKE_CHAR: { bit: 1 << 6, since: 1 },
  MAKE_DIR: { bit: 1 << 7, since: 1 },
  MAKE_REG: { bit: 1 << 8, since: 1 },
  MAKE_SOCK: { bit: 1 << 9, since: 1 },
  MAKE_FIFO: { bit: 1 << 10, since: 1 },
  MAKE_BLOCK: { bit: 1 << 11, since: 1 },
  MAKE_SYM: { bit: 1 << 12, since: 1 },
  REFER: { bit: 1 << 13, since: 2 },
  TRUNCATE: { bit: 1 << 14, since: 3 },
  IOCTL_DEV: { bit: 1 << 15, since: 5 },
} as const;
type Right = keyof typeof LANDLOCK_ACCESS_FS;

/** Rights on sockets, from the same header: version 4. */
export const LANDLOCK_ACCESS_NET_BIND_TCP = 1 << 0;
const LANDLOCK_ACCESS_NET_CONNECT_TCP = 1 << 1;
const NET_SINCE = 4;

/** What ends at the sandbox's border, from the same header: version 6. */
const LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0;
const LANDLOCK_SCOPE_SIGNAL = 1 << 1;
const SCOPE_SINCE = 6;

const READS: readonly Right[] = ["EXECUTE", "READ_FILE", "READ_DIR"];
/** What a backup store does: no device nodes, no sockets, no symlinks. */
const STORE: readonly Right[] = [
  "WRITE_FILE",
  "TRUNCATE",
  "MAKE_REG",
  "MAKE_DIR",
  "REMOVE_FILE",
  "REMOVE_DIR",
  "REFER",
];

/** The sandbox of one rest-server, apart from the kernel's version. */
export interface Sandbox {
  /** The directory of `--listen unix:PATH`; `null` for another address. */
  readonly socketDirectory: string | null;
  /** The only TCP port that it may bind; `"any"` where the port is a service's name, which rest-server looks up. */
  readonly port: number | "any" | null;
}

/** Masks for the system calls; what the kernel does not know is left out. */
export interface Rules {
  readonly handledFs: number;
  readonly handledNet: number;
  readonly scoped: number;
  /** Below the mounted directory. */
  readonly store: number;
  /** On a file of `--log` or `--cpu-profile`. */
  readonly file: number;
  /** In the directory of a unix socket. */
  readonly socket: number;
}

/**
 * The sandbox that an address of `--listen` needs.
 *
 * @param directory the working directory, for a relative socket.
 */
export function sandboxOf(listen: Listen, directory: string): Sandbox {
  if (listen.kind === "unix") {
    // An abstract socket, see unix(7), is no file.
    if (listen.path.startsWith("@")) return { socketDirectory: null, port: null };
    return { socketDirectory: resolvePath(`${listen.path}/..`, directory), port: null };
  }
  const number = /^\d{1,5}$/.test(listen.port) ? Number(listen.port) : NaN;
  return { socketDirectory: null, port: number <= 65535 ? number : "any" };
}

/** The rules of a sandbox for a kernel with Landlock of this version (its ABI, 1 or more). */
export function rulesOf({ port }: Sandbox, version: number): Rules {
  const known = (rights: readonly Right[]) =>
    rights.filter((right) => LANDLOCK_ACCESS_FS[right].since <= version)
      .reduce((mask, right) => mask | LANDLOCK_ACCESS_FS[right].bit, 0);
  const all = Object.keys(LANDLOCK_ACCESS_FS) as Right[];
  const bind = port === "any" ? 0 : LANDLOCK_ACCESS_NET_BIND_TCP;
  return {
    handledFs: known(all.filter((right) => !READS.includes(right))),
    handledNet: version >= NET_SINCE ? bind | LANDLOCK_ACCESS_NET_CONNECT_TCP : 0,
    scoped: version >= SCOPE_SINCE
      ? LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
      : 0,
    store: known(STORE),
    file: known(["WRITE_FILE", "TRUNCATE"]),
    socket: known(["MAKE_SOCK"]),
  };
}
