/**
 * The sandbox of the launcher, from the rules of a plan.
 *
 * @module
 */
import { Failure } from "../mod/exit.ts";
import { LANDLOCK_ACCESS_NET_BIND_TCP, type Rules, rulesOf } from "../mod/landlock.ts";
import type { Handover, LaunchPlan } from "../mod/launch.ts";
import { ERRNO, O_APPEND, O_CLOEXEC, O_CREAT, O_NONBLOCK, O_PATH, O_WRONLY } from "../mod/linux.ts";
import { allowPath, allowPort, createRuleset, landlockVersion } from "./landlock.ts";
import { lastErrno, requireDone } from "./launch_calls.ts";
import { cString, type LauncherLibc, readErrno } from "./libc.ts";

/** A ruleset that can still be added to. */
export interface Sandbox {
  readonly ruleset: number;
  readonly rules: Rules;
}

/**
 * A sandbox that allows the mounted directory, the port and the socket; `null` where none is, or none can be.
 *
 * @throws {Failure} "configuration" where the socket's directory cannot be opened.
 */
export function openSandbox(
  libc: LauncherLibc,
  { sandbox, rootFd }: Handover,
  warn: (line: string) => void,
): Sandbox | null {
  if (sandbox === null) return null;
  const version = landlockVersion(libc);
  if (version === 0) {
    warn(
      "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=): rest-server runs " +
        "without a sandbox; MNT_SANDBOX=off says that this is meant",
    );
    return null;
  }
  const rules = rulesOf(sandbox, version);
  const ruleset = createRuleset(libc, rules);
  requireDone(libc, ruleset, "landlock_create_ruleset(2)");
  requireDone(libc, allowPath(libc, ruleset, rootFd!, rules.store), "landlock_add_rule(2)");
  if (sandbox.socketDirectory !== null) {
    const directory = sandbox.socketDirectory;
    allow(libc, ruleset, openPath(libc, directory, "--listen"), rules.socket, directory);
  }
  if (typeof sandbox.port === "number" && rules.handledNet !== 0) {
    const added = allowPort(libc, ruleset, sandbox.port, LANDLOCK_ACCESS_NET_BIND_TCP);
    requireDone(libc, added, "landlock_add_rule(2)");
  }
  return { ruleset, rules };
}

/** Allows what was opened, and no path: it may lead somewhere else by now. */
function allow(libc: LauncherLibc, ruleset: number, fd: number, access: number, path: string) {
  // A pipe or a socket (EBADFD) is outside of what Landlock rules: nothing has to be allowed.
  if (allowPath(libc, ruleset, fd, access) < 0 && readErrno(libc) !== ERRNO.EBADFD) {
    requireDone(libc, -1, `landlock_add_rule(2) for "${path}"`);
  }
  libc.close(fd);
}

/** A descriptor that can only be named in a rule. */
function openPath(libc: LauncherLibc, path: string, flag: string): number {
  const fd = libc.open(cString(path), O_PATH | O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  throw new Failure(
    "configuration",
    `Cannot open "${path}" of ${flag}: ${lastErrno(libc)}; give another one`,
  );
}

/**
 * Allows the files that rest-server's flags name, made as the user that it will run as.
 *
 * @throws {Failure} "configuration" for one that cannot be written.
 */
export function allowWrites(
  libc: LauncherLibc,
  { ruleset, rules }: Sandbox,
  writes: LaunchPlan["writes"],
): void {
  for (const { flag, path } of writes) {
    // O_NONBLOCK: a FIFO that nobody reads must not hold the start.
    const flags = O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC;
    let fd = libc.open(cString(path), flags, 0o644);
    if (fd < 0 && readErrno(libc) === ERRNO.ENXIO) fd = openPath(libc, path, flag);
    if (fd < 0) {
      throw new Failure(
        "configuration",
        `Cannot write to ${flag} "${path}": ${lastErrno(libc)}; give another file`,
      );
    }
    allow(libc, ruleset, fd, rules.file, path);
  }
}
