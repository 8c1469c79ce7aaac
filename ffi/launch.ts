/**
 * The launcher: this program in its second role, the last thing before rest-server. It sets what only the
 * process itself can set, then becomes rest-server, so that one process with one pid is left.
 *
 * @module
 */
import { cleanEnvironment } from "../mod/environment.ts";
import { Failure, messageOf } from "../mod/exit.ts";
import {
  type Handover,
  LAUNCH_VARIABLE,
  type LaunchPlan,
  misused,
  parseLaunchSocket,
  parsePlan,
  type ReportLine,
} from "../mod/launch.ts";
import {
  ERRNO,
  errnoName,
  F_SETFD,
  FD_CLOEXEC,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  R_OK,
  S_ISGID,
  S_ISUID,
  SIG_DFL,
  SIG_SETMASK,
  SIGNALS,
  W_OK,
  X_OK,
} from "../mod/linux.ts";
import { become } from "./become.ts";
import { execute } from "./execute.ts";
import { restrictSelf } from "./landlock.ts";
import { requireDone, setProcess } from "./launch_calls.ts";
import { allowWrites, openSandbox } from "./launch_sandbox.ts";
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
  if ("errno" in message) throw misused(LAUNCH_VARIABLE);
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
    prepare(libc, handover, (warning) => report({ warning }));
    report({ executed: true });
    execute(libc, handover, args);
  } catch (error) {
    const kind = error instanceof Failure ? error.kind : "defect";
    report({ failure: { kind, message: messageOf(error) } });
  }
  return FAILED;
}

/** The steps, in their order: the kernel clears the parent-death signal when ids change. */
function prepare(libc: LauncherLibc, plan: Handover, warn: (line: string) => void): void {
  enterDirectory(libc, plan);
  const sandbox = openSandbox(libc, plan, warn);
  if (plan.user !== null) become(libc, plan.user, plan.lowPort);
  for (const need of plan.needs) requireAccess(libc, need);
  if (sandbox !== null) allowWrites(libc, sandbox, plan.writes);
  if (plan.sandbox !== null || plan.user !== null) setProcess(libc, PR_SET_NO_NEW_PRIVS, 1);
  else if (gainsPrivileges(libc, plan.program)) warn(`rest-server "${plan.program}" ${OUTLIVES}`);
  if (sandbox !== null) requireDone(libc, restrictSelf(libc, sandbox.ruleset), "landlock(7)");
  resetSignals(libc);
  resetEnvironment(plan.parent);
  dieWithParent(libc, plan.parent);
}

/**
 * The wrapper's own working directory, though its path may be gone by now, which Deno could not be started in.
 *
 * @throws {Failure} "busy"
 */
function enterDirectory(libc: LauncherLibc, { parent, directory }: LaunchPlan): void {
  if (libc.chdir(cString(`/proc/${parent}/cwd`)) === 0) return;
  if (libc.chdir(cString(directory)) === 0) return;
  throw new Failure(
    "busy",
    `Cannot start rest-server in "${directory}": ${errnoName(readErrno(libc))}; ` +
      "start this program in another directory",
  );
}

/** @throws {Failure} "configuration" where the user that it is by now may not use a file of rest-server's. */
function requireAccess(
  libc: LauncherLibc,
  { path, access, cannot, cure }: LaunchPlan["needs"][number],
): void {
  const mode = access === "read" ? R_OK : R_OK | W_OK | X_OK;
  if (libc.access(cString(path), mode) === 0) return;
  const errno = readErrno(libc);
  // On a disk that is mounted read-only rest-server still serves restores.
  if (access === "write" && errno === ERRNO.EROFS) return;
  throw new Failure("configuration", `${cannot}: ${errnoName(errno)}; ${cure}`);
}

const OUTLIVES =
  "has privileges of its own (setcap or setuid), so it lives on where this program is " +
  "killed; take them away, and use AmbientCapabilities= of systemd in their place";

/** Whether the kernel clears the parent-death signal when this is executed, see PR_SET_PDEATHSIG(2const). */
function gainsPrivileges(libc: LauncherLibc, program: string): boolean {
  const { mode, uid, gid } = Deno.statSync(program);
  const changesIds = ((mode ?? 0) & S_ISUID && uid !== Deno.uid()) ||
    ((mode ?? 0) & S_ISGID && gid !== Deno.gid());
  // To root a file can give nothing more.
  const attribute = [cString(program), cString("security.capability")] as const;
  return Boolean(changesIds) ||
    (Deno.uid() !== 0 && Number(libc.getxattr(...attribute, null, 0n)) > 0);
}

/** What Deno set for itself, and execve(2) would pass on. */
function resetSignals(libc: LauncherLibc): void {
  libc.signal(SIGNALS.SIGPIPE, SIG_DFL);
  libc.sigprocmask(SIG_SETMASK, new Uint8Array(128), null);
}

/** By unsetenv(3) one by one: what is not UTF-8 stays as it came. */
function resetEnvironment(parent: number): void {
  const change = cleanEnvironment(Deno.env.toObject());
  for (const name of [...change.remove, LAUNCH_VARIABLE]) Deno.env.delete(name);
  if (change.path !== undefined) Deno.env.set("PATH", change.path);
  // sd_listen_fds(3): the sockets are for the process of this pid alone.
  if (Deno.env.get("LISTEN_PID") === String(parent)) Deno.env.set("LISTEN_PID", String(Deno.pid));
}

function dieWithParent(libc: LauncherLibc, parent: number): void {
  setProcess(libc, PR_SET_PDEATHSIG, SIGNALS.SIGKILL);
  // The wrapper may have died just before: then nobody is left to send that signal.
  if (libc.getppid() === parent) return;
  throw new Failure("defect", "Cannot start rest-server: the wrapper has ended");
}
