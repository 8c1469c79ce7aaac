/**
 * The real world: every edge that the steps ask for, over Deno's API and the C library.
 *
 * @module
 */
import * as edges from "../mod/edges.ts";
import type { Platform } from "../mod/exit.ts";
import type { FlushableLog } from "../mod/log.ts";
import { Progress, stateFacts } from "../mod/progress.ts";
import type { World } from "../mod/world.ts";
import { libcFileLocks, openKernelLog } from "./files.ts";
import { libcLauncher, type SelfCommand } from "./launcher.ts";
import type { Libc } from "./libc.ts";
import { releaseMemory } from "./memory.ts";
import { libcMounter } from "./mount.ts";
import { mountApart } from "./mount_apart.ts";
import { libcProcesses } from "./processes.ts";

/** What the world is made of. */
export interface WorldParts {
  readonly platform: Platform;
  /** Where lock files are kept; "" where none are needed. */
  readonly runDirectory: string;
  readonly self: SelfCommand;
  readonly log: FlushableLog;
  readonly libc: Libc;
  /** Aborted by the signal that ends this program. */
  readonly stopping: AbortSignal;
}

/** Milliseconds by a clock that runs on while nobody has set the other one yet, as on a gokrazy before NTP. */
export const bootMs = () => Deno.osUptime() * 1000;

/** Makes the world; from now on the log says the phase with each line. */
export function makeWorld(
  { platform, runDirectory, self, log, libc, stopping }: WorldParts,
): World {
  const progress = new Progress(bootMs, log.shown);
  const tellLog = () => log.note(stateFacts(progress.state));
  tellLog();
  progress.listen(tellLog);
  return {
    platform,
    root: Deno.uid() === 0,
    pid: Deno.pid,
    runDirectory,
    path: Deno.env.get("PATH") ?? "",
    socketActivated: Deno.env.get("LISTEN_PID") === String(Deno.pid),
    log,
    progress,
    ...edges,
    launcher: libcLauncher(libc, edges.programs, self),
    mounter: libcMounter(libc, (spec) => mountApart(spec, self), stopping),
    locks: libcFileLocks(libc),
    processes: libcProcesses(libc),
    openKernelLog: () => openKernelLog(libc),
    releaseMemory: (what) => releaseMemory(libc, what),
  };
}
