/**
 * Launching rest-server: what the launcher is told, and what it tells back. The launcher is this program in
 * a second role, which sets what only the process itself can set and then becomes rest-server by execve(2).
 *
 * @module
 */
import type { Config } from "./config.ts";
import { Failure, type FailureKind } from "./exit.ts";
import { type Sandbox, sandboxOf } from "./landlock.ts";
import { resolveNearest } from "./paths.ts";
import { resolvePath, type ServerArgs, serverFiles } from "./server_args.ts";
import type { ServerProcess, World } from "./world.ts";

/** The variable that makes this program the launcher: the socket that its {@linkcode LaunchPlan} comes by. */
export const LAUNCH_VARIABLE = "RESTIC_REST_SERVER_LAUNCH";

/** What is said where somebody else than this program has set one of its own variables. */
export function misused(variable: string): Failure {
  return new Failure(
    "configuration",
    `Cannot use ${variable}: it is not for users, this program sets it for itself; unset it`,
  );
}

/** E2BIG of execve(2): no time makes the arguments shorter. */
export function tooManyArguments(program: string, cause?: unknown): Failure {
  return new Failure(
    "configuration",
    `Cannot run ${program}: argument list too long (E2BIG); ` +
      "shorten arguments and environment, or raise the limit on the stack (ulimit -s)",
    { cause },
  );
}

/** A path that the user of `MNT_USER` must be able to use, and what to say where it is not so. */
export interface Need {
  readonly path: string;
  readonly access: "read" | "write";
  /** In front of errno's name: `Cannot write to "/mnt/x" as MNT_USER=1000:1000`. */
  readonly cannot: string;
  readonly cure: string;
}

/** What the launcher does before it becomes rest-server; descriptors are added by the edge. */
export interface LaunchPlan {
  readonly program: string;
  /** The wrapper's pid: rest-server dies with it. */
  readonly parent: number;
  /** The working directory. */
  readonly directory: string;
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** Whether that user must be able to bind a port below 1024. */
  readonly lowPort: boolean;
  readonly needs: readonly Need[];
  /** Files that rest-server's flags have it write, by flag. */
  readonly writes: readonly { readonly flag: string; readonly path: string }[];
  readonly sandbox: Sandbox | null;
}

/** A plan that has arrived, with the descriptors of the launcher itself. */
export interface Handover extends LaunchPlan {
  /** Where its report goes. */
  readonly reportFd: number;
  /** The mounted directory. */
  readonly rootFd: number | null;
}

/**
 * Reads the value of {@linkcode LAUNCH_VARIABLE}: a descriptor.
 *
 * @throws {Failure} "configuration" for one that this program has not made.
 */
export function parseLaunchSocket(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw misused(LAUNCH_VARIABLE);
  return Number(text);
}

/**
 * Reads a plan as it came by the socket.
 *
 * @throws {Failure} "configuration" for one that this program has not made.
 */
export function parsePlan(text: string): LaunchPlan {
  let plan: Partial<LaunchPlan> | null = null;
  try {
    plan = JSON.parse(text);
  } catch {
    // Said below.
  }
  const isWhole = typeof plan?.program === "string" && Number.isInteger(plan.parent) &&
    typeof plan.directory === "string" &&
    plan.user !== undefined && plan.sandbox !== undefined &&
    Array.isArray(plan.needs) && Array.isArray(plan.writes);
  if (isWhole) return plan as LaunchPlan;
  throw misused(LAUNCH_VARIABLE);
}

/** What the launcher said before it was gone. */
export interface LaunchReport {
  readonly warnings: readonly string[];
  readonly failure: { readonly kind: FailureKind; readonly message: string } | null;
  /** Whether it got as far as execve(2). */
  readonly executed: boolean;
}

/** One line of the report; see {@linkcode parseReport}. */
export type ReportLine =
  | { readonly warning: string }
  | { readonly failure: NonNullable<LaunchReport["failure"]> }
  | { readonly executed: true };

/** A rest-server that comes up by way of the launcher, under one pid. */
export interface LaunchedServer extends ServerProcess {
  /** Ends when rest-server is what runs, or nothing runs any more. */
  readonly launched: Promise<LaunchReport>;
}

/** A launcher that comes up, or is up, and waits for its plan. */
export interface WaitingLauncher {
  readonly pid: number;
  /**
   * Hands the plan over, once.
   *
   * @param rootFd a descriptor on the mounted directory, for the sandbox.
   */
  launch(plan: LaunchPlan, rootFd: number | null): LaunchedServer;
  /** Whether it has ended by itself: somebody's signal, or no memory. */
  readonly ended: boolean;
  /** Ends it: nothing is to be launched. */
  dismiss(): Promise<void>;
}

/** Starts the launcher. */
export interface Launcher {
  /** @param args of rest-server. */
  start(args: readonly string[]): WaitingLauncher;
}

/** One line of the report; `undefined` for what the launcher did not write. */
function parseLine(line: string): ReportLine | undefined {
  try {
    const said = JSON.parse(line);
    return typeof said === "object" && said !== null ? said : undefined;
  } catch {
    return undefined;
  }
}

/** Puts the launcher's lines, one JSON object each, together; a line that was cut short is left out. */
export function parseReport(text: string): LaunchReport {
  const warnings: string[] = [];
  let failure: LaunchReport["failure"] = null;
  let executed = false;
  for (const line of text.split("\n").slice(0, -1)) {
    const said = parseLine(line);
    if (said === undefined) continue;
    if ("warning" in said) warnings.push(said.warning);
    else if ("failure" in said) failure = said.failure;
    else if ("executed" in said) executed = true;
  }
  return { warnings, failure, executed };
}

const isLow = (port: Sandbox["port"]) => typeof port === "number" && port > 0 && port < 1024;

/** What a user who is not root must be able to reach, as this program checks it as root alone. */
async function needsOf(
  user: NonNullable<LaunchPlan["user"]>,
  server: ServerArgs,
  path: string,
  directory: string,
  world: World,
): Promise<Need[]> {
  const who = `MNT_USER=${user.uid}:${user.gid}`;
  const { existing } = await resolveNearest(path, world.files);
  return [
    {
      path: existing,
      access: "write",
      cannot: `Cannot write to "${existing}" as ${who}`,
      cure: `give it that owner with: chown -R ${user.uid}:${user.gid} "${existing}"`,
    },
    ...serverFiles(server, path, directory).map(({ path, what }): Need => ({
      path,
      access: "read",
      cannot: `Cannot read ${what} "${path}" as ${who}`,
      cure: `chgrp ${user.gid} and chmod g+r it, and let the directories above be entered`,
    })),
  ];
}

/**
 * Makes the plan of one launch.
 *
 * @param path `--path`, absolute; `null` where nothing is mounted: then there is no sandbox.
 * @param directory the working directory, for relative names.
 */
export async function planLaunch(
  program: string,
  config: Config,
  server: ServerArgs,
  path: string | null,
  directory: string,
  world: World,
): Promise<LaunchPlan> {
  const { user } = config;
  const sandbox = sandboxOf(server.listen, directory);
  const writes = Object.entries({ "--log": server.log, "--cpu-profile": server.cpuProfile })
    .flatMap(([flag, file]) =>
      file === undefined ? [] : [{ flag, path: resolvePath(file, directory) }]
    );
  const sandboxed = config.sandbox && path !== null;
  return {
    program,
    parent: world.pid,
    directory,
    user,
    lowPort: user !== null && isLow(sandbox.port),
    needs: user !== null && path !== null
      ? await needsOf(user, server, path, directory, world)
      : [],
    writes: sandboxed ? writes : [],
    sandbox: sandboxed ? sandbox : null,
  };
}
