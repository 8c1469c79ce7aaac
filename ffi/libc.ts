/**
 * The C library, with the prototype of each function beside it. errno belongs to the thread that made
 * the call, so it is read on the next line, with no await between.
 *
 * @module
 */

const SYMBOLS = {
  // int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
  mount: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  mountAside: {
    name: "mount",
    parameters: ["buffer", "buffer", "buffer", "usize", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  // int umount2(const char *target, int flags);
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  umount2Aside: {
    name: "umount2",
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  // int open(const char *pathname, int flags, mode_t mode);
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  openAside: {
    name: "open",
    parameters: ["buffer", "i32", "u32"],
    result: "i32",
    nonblocking: true,
  },
  // int close(int fd);
  close: { parameters: ["i32"], result: "i32" },
  closeAside: { name: "close", parameters: ["i32"], result: "i32", nonblocking: true },
  // ssize_t read(int fd, void *buf, size_t count);
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // off_t lseek(int fd, off_t offset, int whence);
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  // int syncfs(int fd);
  syncfsAside: { name: "syncfs", parameters: ["i32"], result: "i32", nonblocking: true },
  // int socketpair(int domain, int type, int protocol, int sv[2]);
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags);
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  readAside: {
    name: "read",
    parameters: ["i32", "buffer", "usize"],
    result: "isize",
    nonblocking: true,
  },
  // int flock(int fd, int operation);
  flock: { parameters: ["i32", "i32"], result: "i32" },
  // int fcntl(int fd, int cmd, ...);
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // sighandler_t signal(int signum, sighandler_t handler);
  signal: { parameters: ["i32", "usize"], result: "usize" },
  // void *dlsym(void *handle, const char *symbol);
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
  // int madvise(void *addr, size_t length, int advice);
  madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },
  // int statx(int dirfd, const char *pathname, int flags, unsigned int mask, struct statx *statxbuf);
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  // long syscall(SYS_pidfd_open, pid_t pid, unsigned int flags);
  pidfdOpen: { name: "syscall", parameters: ["isize", "i32", "u32"], result: "isize" },
  // long syscall(SYS_pidfd_send_signal, int pidfd, int sig, siginfo_t *info, unsigned int flags);
  pidfdSendSignal: {
    name: "syscall",
    parameters: ["isize", "i32", "i32", "buffer", "u32"],
    result: "isize",
  },
  // int malloc_trim(size_t pad);
  malloc_trim: { parameters: ["usize"], result: "i32" },
  // int *__errno_location(void);
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/** The functions that the launcher calls, just before it becomes rest-server. */
const LAUNCHER_SYMBOLS = {
  open: SYMBOLS.open,
  close: SYMBOLS.close,
  fcntl: SYMBOLS.fcntl,
  signal: SYMBOLS.signal,
  // ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags);
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  // ssize_t write(int fd, const void *buf, size_t count);
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // int chdir(const char *path);
  chdir: { parameters: ["buffer"], result: "i32" },
  // ssize_t getxattr(const char *path, const char *name, void *value, size_t size);
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
  // int access(const char *pathname, int mode);
  access: { parameters: ["buffer", "i32"], result: "i32" },
  // int setgroups(size_t size, const gid_t *list);
  setgroups: { parameters: ["usize", "buffer"], result: "i32" },
  // int setresgid(gid_t rgid, gid_t egid, gid_t sgid);
  setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  // int setresuid(uid_t ruid, uid_t euid, uid_t suid);
  setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  // int capset(cap_user_header_t hdrp, const cap_user_data_t datap);
  capset: { parameters: ["buffer", "buffer"], result: "i32" },
  // int prctl(int op, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5);
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  // int sigprocmask(int how, const sigset_t *set, sigset_t *oldset);
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // pid_t getppid(void);
  getppid: { parameters: [], result: "i32" },
  // int execv(const char *path, char *const argv[]);
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
  // long syscall(SYS_landlock_create_ruleset, const struct landlock_ruleset_attr *attr, size_t size, __u32 flags);
  landlockCreateRuleset: {
    name: "syscall",
    parameters: ["isize", "buffer", "usize", "u32"],
    result: "isize",
  },
  // long syscall(SYS_landlock_add_rule, int ruleset_fd, enum landlock_rule_type, const void *attr, __u32 flags);
  landlockAddRule: {
    name: "syscall",
    parameters: ["isize", "i32", "i32", "buffer", "u32"],
    result: "isize",
  },
  // long syscall(SYS_landlock_restrict_self, int ruleset_fd, __u32 flags);
  landlockRestrictSelf: {
    name: "syscall",
    parameters: ["isize", "i32", "u32"],
    result: "isize",
  },
  __errno_location: SYMBOLS.__errno_location,
} as const;

/** The functions of libc that the wrapper calls. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
/** The functions of libc that the launcher calls. */
export type LauncherLibc = Deno.DynamicLibrary<typeof LAUNCHER_SYMBOLS>["symbols"];

const LIBRARY = "libc.so.6";

/**
 * Opens glibc, see dlopen(3). A function costs 0.1 ms of the start, so each is looked up when it is first
 * needed; but that of errno at once, for the look-up of another one would change it.
 */
function openLazily<S extends Deno.ForeignLibraryInterface>(
  symbols: S & { readonly __errno_location: Deno.ForeignFunction },
): Deno.DynamicLibrary<S>["symbols"] {
  const { __errno_location } = symbols;
  const opened: object = Deno.dlopen(LIBRARY, { __errno_location }).symbols;
  const lazy = { ...opened };
  for (const name of Object.keys(symbols).filter((name) => !(name in opened))) {
    Object.defineProperty(lazy, name, {
      configurable: true,
      get() {
        const { [name]: value } = Deno.dlopen(LIBRARY, { [name]: symbols[name]! }).symbols;
        Object.defineProperty(lazy, name, { value });
        return value;
      },
    });
  }
  return lazy as Deno.DynamicLibrary<S>["symbols"];
}

/** @throws {Error} where there is no glibc. */
export function openLibc(): Libc {
  return openLazily(SYMBOLS);
}

/** @throws {Error} where there is no glibc. */
export function openLauncherLibc(): LauncherLibc {
  return openLazily(LAUNCHER_SYMBOLS);
}

/** errno of this thread's last failed call, see errno(3). */
export function readErrno(libc: Pick<Libc, "__errno_location">): number {
  return new Deno.UnsafePointerView(libc.__errno_location()!).getInt32();
}

/**
 * A string as C takes it: UTF-8 with a terminating zero.
 *
 * @throws {RangeError} for a string with a zero in it, which C would cut short.
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new RangeError(`Cannot pass ${JSON.stringify(text)} to C: it has a NUL`);
  }
  return new TextEncoder().encode(`${text}\0`);
}

/**
 * Where the bytes of a buffer lie, for a pointer in another one. The collector does not see such a pointer:
 * what it points to must be part of the very buffer that the call is given.
 */
export function addressOf(buffer: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
}

/**
 * What calls on other threads were given: of a buffer they get the address alone, and the collector would
 * free it under them.
 */
const held = new Set<readonly unknown[]>();

/** A call on a thread of its own, with its buffers kept until it returns. */
export async function aside<A extends readonly unknown[], T>(
  call: (...args: A) => Promise<T>,
  ...args: A
): Promise<T> {
  held.add(args);
  try {
    return await call(...args);
  } finally {
    held.delete(args);
  }
}
