/**
 * The launcher: this program in its second role, the last thing before rest-server. It sets what only the
 * process itself can set, then becomes rest-server, so that one process with one pid is left.
 *
 * @module
 */
import { cleanEnvironment } from "../mod/environment.ts";
import { Failure, type FailureKind, messageOf } from "../mod/exit.ts";
import { LANDLOCK_ACCESS_NET_BIND_TCP, type Rules, rulesOf } from "../mod/landlock.ts";
import {
  type Handover,
  LAUNCH_VARIABLE,
  type LaunchPlan,
  misusedLauncher,
  parseLaunchSocket,
  parsePlan,
  type ReportLine,
  tooManyArguments,
} from "../mod/launch.ts";
import {
  CAP_NET_BIND_SERVICE,
  ERRNO,
  errnoName,
  F_SETFD,
  FD_CLOEXEC,
  LINUX_CAPABILITY_VERSION_3,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_WRONLY,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  R_OK,
  SIG_DFL,
  SIG_SETMASK,
  SIGNALS,
  W_OK,
  X_OK,
} from "../mod/linux.ts";
import { allowPath, allowPort, createRuleset, landlockVersion, restrictSelf } from "./landlock.ts";
import { cString, type LauncherLibc, openLauncherLibc, readErrno } from "./libc.ts";
import { receiveMessage } from "./messages.ts";

/** The exit code of a launcher that failed; its report says why. */
const FAILED = 70;

/**
 * Waits for the plan, then becomes rest-server with these arguments, or gives the exit code after a failure
 * that is in the report.
 *
 * @param socket the value of {@linkcode LAUNCH_VARIABLE}.
 * @throws {Failure} "configuration" where this program did not set that.
 */
export function launch(
  socket: string,
  args: readonly string[],
  libc: LauncherLibc = openLauncherLibc(),
): number {
  const reportFd = parseLaunchSocket(socket);
  const message = receiveMessage(libc, reportFd);
  // The wrapper has ended, or needs nothing launched any more.
  if (message === null) return 0;
  if ("errno" in message) throw misusedLauncher();
  libc.fcntl(reportFd, F_SETFD, FD_CLOEXEC);
  return follow({ ...parsePlan(message.text), reportFd, rootFd: message.fd }, args, libc);
}

/** Follows a plan; what fails goes to the report. */
export function follow(handover: Handover, args: readonly string[], libc: LauncherLibc): number {
  const report = (line: ReportLine) => {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    libc.write(handover.reportFd, bytes, BigInt(bytes.length));
  };
  try {
    new Launch(libc, handover, (warning) => report({ warning })).prepare();
    report({ executed: true });
    execute(libc, handover, args);
  } catch (error) {
    const kind = error instanceof Failure ? error.kind : "defect";
    report({ failure: { kind, message: messageOf(error) } });
  }
  return FAILED;
}

/** The steps, in their order: the kernel clears the parent-death signal when ids change. */
class Launch {
  constructor(
    readonly libc: LauncherLibc,
    readonly plan: Handover,
    readonly warn: (line: string) => void,
  ) {}

  prepare(): void {
    const { plan } = this;
    const sandbox = this.#openSandbox();
    if (plan.user !== null) this.#become(plan.user);
    for (const need of plan.needs) this.#require(need);
    if (sandbox !== null) this.#allowWrites(sandbox);
    if (plan.sandbox !== null || plan.user !== null) this.#set(PR_SET_NO_NEW_PRIVS, 1);
    if (sandbox !== null) this.#check(restrictSelf(this.libc, sandbox.ruleset), "landlock(7)");
    this.#resetSignals();
    this.#resetEnvironment();
    this.#dieWithParent();
  }

  #fail(kind: FailureKind, what: string): never {
    throw new Failure(kind, what);
  }

  #errno(): string {
    return errnoName(readErrno(this.libc));
  }

  #check(result: number, call: string): void {
    if (result >= 0) return;
    this.#fail("defect", `Cannot prepare rest-server: ${call}: ${this.#errno()}`);
  }

  #set(option: number, value: number): void {
    this.#check(this.libc.prctl(option, BigInt(value), 0n, 0n, 0n), `prctl(2), option ${option}`);
  }

  /** A ruleset that allows the mounted directory, the port and the socket; `null` without a sandbox. */
  #openSandbox(): { readonly ruleset: number; readonly rules: Rules } | null {
    const { libc, plan: { sandbox, rootFd } } = this;
    if (sandbox === null) return null;
    const version = landlockVersion(libc);
    if (version === 0) {
      this.warn(
        "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=): rest-server runs " +
          "without a sandbox; MNT_SANDBOX=off says that this is meant",
      );
      return null;
    }
    const rules = rulesOf(sandbox, version);
    const ruleset = createRuleset(libc, rules);
    this.#check(ruleset, "landlock_create_ruleset(2)");
    this.#check(allowPath(libc, ruleset, rootFd!, rules.store), "landlock_add_rule(2)");
    if (sandbox.socketDirectory !== null) {
      const directory = sandbox.socketDirectory;
      this.#allow(ruleset, this.#openPath(directory, "--listen"), rules.socket, directory);
    }
    if (typeof sandbox.port === "number" && rules.handledNet !== 0) {
      const added = allowPort(libc, ruleset, sandbox.port, LANDLOCK_ACCESS_NET_BIND_TCP);
      this.#check(added, "landlock_add_rule(2)");
    }
    return { ruleset, rules };
  }

  /** Allows what was opened, and no path: it may lead somewhere else by now. */
  #allow(ruleset: number, fd: number, access: number, path: string): void {
    const { libc } = this;
    // A pipe or a socket (EBADFD) is outside of what Landlock rules: nothing has to be allowed.
    if (allowPath(libc, ruleset, fd, access) < 0 && readErrno(libc) !== ERRNO.EBADFD) {
      this.#check(-1, `landlock_add_rule(2) for "${path}"`);
    }
    libc.close(fd);
  }

  /** A descriptor that can only be named in a rule. */
  #openPath(path: string, flag: string): number {
    const fd = this.libc.open(cString(path), O_PATH | O_CLOEXEC, 0);
    if (fd < 0) {
      this.#fail(
        "configuration",
        `Cannot open "${path}" of ${flag}: ${this.#errno()}; give another one`,
      );
    }
    return fd;
  }

  /** The files that rest-server's flags name, made as the user that it will run as. */
  #allowWrites({ ruleset, rules }: { readonly ruleset: number; readonly rules: Rules }): void {
    const { libc, plan } = this;
    for (const { flag, path } of plan.writes) {
      // O_NONBLOCK: a FIFO that nobody reads must not hold the start.
      const flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC;
      let fd = libc.open(cString(path), flags, 0o644);
      if (fd < 0 && readErrno(libc) === ERRNO.ENXIO) fd = this.#openPath(path, flag);
      if (fd < 0) {
        this.#fail(
          "configuration",
          `Cannot write to ${flag} "${path}": ${this.#errno()}; give another file`,
        );
      }
      this.#allow(ruleset, fd, rules.file, path);
    }
  }

  #become({ uid, gid }: NonNullable<LaunchPlan["user"]>): void {
    const { libc, plan } = this;
    const call = (result: number, name: string) => {
      if (result === 0) return;
      this.#fail(
        "not permitted",
        `Cannot run rest-server as MNT_USER=${uid}:${gid}: ${name}: ${this.#errno()}; ` +
          "start this program as root",
      );
    };
    const keep = plan.lowPort && uid !== 0;
    if (keep) this.#set(PR_SET_KEEPCAPS, 1);
    call(libc.setgroups(1n, Uint32Array.of(gid)), "setgroups(2)");
    call(libc.setresgid(gid, gid, gid), "setresgid(2)");
    call(libc.setresuid(uid, uid, uid), "setresuid(2)");
    if (uid === 0) return;
    // A wrapper that is not root, but has capabilities of its own, would hand them on over setresuid(2).
    call(
      libc.prctl(PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL), 0n, 0n, 0n),
      "prctl(2), PR_CAP_AMBIENT",
    );
    // struct __user_cap_header_struct { __u32 version; int pid; }, and two of
    // struct __user_cap_data_struct { __u32 effective, permitted, inheritable; }
    const mask = keep ? 1 << CAP_NET_BIND_SERVICE : 0;
    const header = Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0);
    call(libc.capset(header, Uint32Array.of(mask, mask, mask, 0, 0, 0)), "capset(2)");
    if (!keep) return;
    const [raise, capability] = [BigInt(PR_CAP_AMBIENT_RAISE), BigInt(CAP_NET_BIND_SERVICE)];
    call(libc.prctl(PR_CAP_AMBIENT, raise, capability, 0n, 0n), "prctl(2), PR_CAP_AMBIENT");
  }

  #require({ path, access, cannot, cure }: LaunchPlan["needs"][number]): void {
    const mode = access === "read" ? R_OK : R_OK | W_OK | X_OK;
    if (this.libc.access(cString(path), mode) === 0) return;
    const errno = readErrno(this.libc);
    // On a disk that is mounted read-only rest-server still serves restores.
    if (access === "write" && errno === ERRNO.EROFS) return;
    this.#fail("configuration", `${cannot}: ${errnoName(errno)}; ${cure}`);
  }

  /** What Deno set for itself, and execve(2) would pass on. */
  #resetSignals(): void {
    this.libc.signal(SIGNALS.SIGPIPE, SIG_DFL);
    this.libc.sigprocmask(SIG_SETMASK, new Uint8Array(128), null);
  }

  /** By unsetenv(3) one by one: what is not UTF-8 stays as it came. */
  #resetEnvironment(): void {
    const change = cleanEnvironment(Deno.env.toObject());
    for (const name of [...change.remove, LAUNCH_VARIABLE]) Deno.env.delete(name);
    if (change.path !== undefined) Deno.env.set("PATH", change.path);
    // sd_listen_fds(3): the sockets are for the process of this pid alone.
    if (Deno.env.get("LISTEN_PID") === String(this.plan.parent)) {
      Deno.env.set("LISTEN_PID", String(Deno.pid));
    }
  }

  #dieWithParent(): void {
    this.#set(PR_SET_PDEATHSIG, SIGNALS.SIGKILL);
    // The wrapper may have died just before: then nobody is left to send that signal.
    if (this.libc.getppid() !== this.plan.parent) {
      this.#fail("defect", "Cannot start rest-server: the wrapper has ended");
    }
  }
}

/** Errors of execve(2) that may be gone at the next try. */
const BUSY: readonly number[] = [ERRNO.EAGAIN, ERRNO.ENOMEM, ERRNO.ETXTBSY];

/** execve(2); comes back only with a failure. */
function execute(
  libc: LauncherLibc,
  { program, user }: LaunchPlan,
  args: readonly string[],
): never {
  const strings = [program, ...args].map(cString);
  const pointers = strings.map((bytes) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
  libc.execv(cString(program), BigUint64Array.of(...pointers, 0n));
  const errno = readErrno(libc);
  if (errno === ERRNO.E2BIG) throw tooManyArguments(`rest-server "${program}"`);
  const kind = errno === ERRNO.ENOENT
    ? "not found"
    : BUSY.includes(errno)
    ? "busy"
    : "not executable";
  // The file itself was there, and a file for this machine, when it was looked up.
  let question = "is it built for this machine";
  if (errno === ERRNO.ENOENT) question = "is its interpreter there";
  if (errno === ERRNO.EACCES && user !== null) {
    const who = `MNT_USER=${user.uid}:${user.gid}`;
    question = `may ${who} execute it, and enter the directories above`;
  }
  throw new Failure(
    kind,
    `Cannot run rest-server "${program}": ${errnoName(errno)} (execve(2)); ${question}? ` +
      "MNT_SERVER names another one",
  );
}
