/**
 * What `check` asks of rest-server: its version, its files, and whether its address is free.
 *
 * @module
 */
import { Failure, messageOf } from "./exit.ts";
import { findServer } from "./find_program.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { socketOwner } from "./inspect_lock.ts";
import type { LockRecord } from "./lock.ts";
import { isBelow } from "./mountinfo.ts";
import { readTextIfAny } from "./paths.ts";
import { requireReadable } from "./preflight.ts";
import { type Listener, parseTcpListeners, parseUnixListeners, takenBy } from "./proc_net.ts";
import {
  formatAddress,
  type Listen,
  resolvePath,
  type ServerArgs,
  type ServerFile,
  serverFiles,
} from "./server_args.ts";
import type { World } from "./world.ts";

const { ok, note, warning, error, failure } = findingsOf("server");

/** rest-server says its version at once. */
const VERSION_LIMIT_MS = 5000;

/** Finds rest-server, and asks it for its version. */
export async function inspectProgram(
  given: string | null,
  world: World,
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const program = await findServer(given, world);
    const said = await world.programs.output(program, ["--version"], VERSION_LIMIT_MS, signal);
    const line = said.stdout.split("\n", 1)[0]!.trim().replace(/^rest-server version /, "");
    if (said.code === 0 && line !== "") return ok("program", `"${program}" is ${line}`);
    const how = said.signal === "SIGKILL"
      ? `did not answer within ${VERSION_LIMIT_MS / 1000} s`
      : `said nothing, and ended with ${said.signal ?? `exit code ${said.code}`}`;
    return warning("program", `"${program}" --version ${how}`, "is it rest-server?");
  } catch (cause) {
    if (cause instanceof Failure) return failure("program", cause);
    const text = `Cannot run rest-server: ${messageOf(cause)}`;
    return error("program", text, "is it built for this machine? MNT_SERVER names another one");
  }
}

/** How the disk's files can be seen. */
export interface View {
  /** As configured; `null` without a mount. */
  readonly target: string | null;
  /** A directory that shows what will be on the target; `null` where the disk is not mounted. */
  readonly shows: string | null;
}

/** Where a path can be seen now; `null` where it is on a disk that is not mounted. */
function seenAt(path: string, { target, shows }: View): string | null {
  if (target === null || !isBelow(path, target)) return path;
  return shows === null ? null : `${shows === "/" ? "" : shows}${path.slice(target.length)}`;
}

async function inspectFile(file: ServerFile, view: View, world: World): Promise<Finding> {
  const path = seenAt(file.path, view);
  if (path === null) {
    const text = `${file.what} "${file.path}" is on the disk: it is looked at once that is mounted`;
    return note("files", text);
  }
  try {
    await requireReadable({ ...file, path }, world);
    return ok("files", `${file.what} "${path}" can be read`);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return failure("files", cause);
  }
}

/** The directories of the files that rest-server's flags have it write. */
export async function inspectWrites(
  { log, cpuProfile }: ServerArgs,
  directory: string,
  view: View,
  world: World,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [flag, file] of Object.entries({ "--log": log, "--cpu-profile": cpuProfile })) {
    if (file === undefined) continue;
    const parent = seenAt(resolvePath(`${file}/..`, directory), view);
    if (parent === null) continue;
    if ((await world.files.stat(parent).catch(() => null))?.kind === "directory") continue;
    const text = `Cannot write to ${flag} "${file}": "${parent}" is no directory`;
    findings.push(error("files", text, "make it, or give another file"));
  }
  return findings;
}

/** The password file and the TLS files. */
export async function inspectFiles(
  args: ServerArgs,
  path: string,
  directory: string,
  view: View,
  world: World,
): Promise<Finding[]> {
  const files = serverFiles(args, path, directory);
  const open = args.usesHtpasswd ? [] : [note("files", "no password file is used")];
  return [...open, ...await Promise.all(files.map((file) => inspectFile(file, view, world)))];
}

async function inspectTaken(
  address: string,
  taken: Listener | undefined,
  running: LockRecord | undefined,
  world: World,
): Promise<Finding> {
  if (taken === undefined) return ok("address", `${address} is free`);
  const owner = await socketOwner(taken.inode, world);
  if (owner !== undefined && owner.pid === running?.server?.pid) {
    return ok("address", `${address} is in use by ${owner.text}, which serves this target`);
  }
  const who = owner?.text ?? "a program that is not ours to see";
  return error(
    "address",
    `Cannot listen on ${address}: it is in use by ${who}`,
    "stop that program, or change --listen",
  );
}

/** Whether a socket's file is there, and somebody behind it: asked of the kernel, not of the socket. */
async function inspectUnix(
  given: string,
  directory: string,
  running: LockRecord | undefined,
  world: World,
): Promise<Finding> {
  const isFile = !given.startsWith("@");
  const path = isFile ? resolvePath(given, directory) : given;
  const address = `"unix:${path}"`;
  const stat = (path: string) => world.files.stat(path).catch(() => null);
  const listeners = parseUnixListeners(await readNet("unix", world));
  // The kernel knows it by the name that it was given, which can be relative.
  const taken = listeners.find(({ host }) => host === path || host === given);
  if (taken !== undefined || !isFile) return await inspectTaken(address, taken, running, world);
  const parent = resolvePath(`${path}/..`, directory);
  if (await stat(parent) === null) {
    const text = `Cannot listen on ${address}: "${parent}" is not there`;
    return error("address", text, "make it, or change --listen");
  }
  const kind = (await stat(path))?.kind;
  if (kind === "socket") {
    return ok("address", `${address} is a socket that nobody listens on: it would be removed`);
  }
  return kind === undefined ? ok("address", `${address} is free`) : error(
    "address",
    `Cannot listen on ${address}: something else is there`,
    "move it away, or change --listen",
  );
}

async function readNet(name: string, world: World): Promise<string> {
  return await readTextIfAny(`/proc/net/${name}`, world.files) ?? "";
}

/**
 * Looks whether the address is free, without listening on it: a rest-server that starts in this moment would
 * find it taken.
 *
 * @param running what serves the target now.
 */
export async function inspectListen(
  listen: Listen,
  directory: string,
  running: LockRecord | undefined,
  world: World,
): Promise<Finding> {
  if (world.socketActivated) return ok("address", "a listening socket was handed over");
  if (listen.kind === "unix") return await inspectUnix(listen.path, directory, running, world);
  const { host, port } = listen;
  const address = `"${formatAddress(host, port)}"`;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    return note("address", `${address} is rest-server's to look up: it is no number of a port`);
  }
  if (host !== "" && await world.sockets.tcpFault(host, 0) !== null) {
    return error(
      "address",
      `Cannot listen on ${address}: "${host}" is no address of this machine now`,
      "give --listen one of its addresses, or :PORT for all",
    );
  }
  if (Number(port) === 0) return ok("address", `${address} is any free port`);
  const listeners = parseTcpListeners(await readNet("tcp", world) + await readNet("tcp6", world));
  return await inspectTaken(address, takenBy(host, Number(port), listeners), running, world);
}
