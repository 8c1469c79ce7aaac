/**
 * The edges of the program: everything that a step asks of the world, each thin, passed as an argument.
 *
 * @module
 */
import type { Platform, ServerStatus } from "./exit.ts";
import type { Launcher } from "./launch.ts";
import type { SignalName } from "./linux.ts";
import type { FileLocks } from "./lock.ts";
import type { Log } from "./log.ts";
import type { KernelLog, Mounter } from "./mounter.ts";
import type { Processes } from "./processes.ts";
import type { Progress } from "./progress.ts";

/** Time that does not jump. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Ends after `ms`, or at once when the signal is or gets aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What stat(2) says, as far as it is needed. */
export interface FileFacts {
  readonly kind: "file" | "directory" | "block device" | "socket" | "other";
  /** Device number of a device node, see makedev(3). */
  readonly rdev: number;
  readonly inode: number | null;
  readonly executable: boolean;
  /** Whose it is, and what who may do: bits of inode(7). */
  readonly owner?: { readonly uid: number; readonly gid: number; readonly mode: number };
}

/** Files by path; each fails with the errors of `Deno.errors`. */
export interface Files {
  readText(path: string): Promise<string>;
  writeText(path: string, text: string): Promise<void>;
  readAt(path: string, offset: number, length: number): Promise<Uint8Array>;
  /** `null` where nothing is there. */
  stat(path: string): Promise<FileFacts | null>;
  realPath(path: string): Promise<string>;
  readLink(path: string): Promise<string>;
  /** Names in a directory. */
  list(path: string): Promise<string[]>;
  /** Makes a directory and its parents; nothing where it is there. */
  makeDirectory(path: string, mode?: number): Promise<void>;
  remove(path: string): Promise<void>;
}

/** What a program that was run to its end printed. */
export interface ProgramOutput {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A rest-server that was started. */
export interface ServerProcess {
  readonly pid: number;
  readonly status: Promise<ServerStatus>;
  /** Sends a signal; nothing where the process has ended. */
  kill(signal: SignalName): void;
}

/** Programs that are run. */
export interface Programs {
  /**
   * Runs a program without input to its end, at most `limitMs` or until `stop`, then SIGKILL.
   *
   * @throws {Error} where it cannot be run, or prints more than 1 MiB.
   */
  output(
    program: string,
    args: readonly string[],
    limitMs: number,
    stop: AbortSignal,
  ): Promise<ProgramOutput>;
  /** Starts a program in `/` with this process's stdin, stdout, stderr, environment and open descriptors. */
  start(
    program: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ): ServerProcess;
}

/** Events of a directory of device nodes. */
export interface DeviceEvents {
  /**
   * Ends with the next event, or with `null` after `ms` or an abort. `written` names the nodes that were
   * made, written to or removed since the last call.
   */
  next(ms: number, signal: AbortSignal): Promise<{ readonly written: readonly string[] } | null>;
  close(): void;
}

/** Sockets, only to know whether an address is free. */
export interface Sockets {
  /** `null` where the address can be listened on, else why not. */
  tcpFault(host: string, port: number): Promise<"in use" | "other" | null>;
  /** Whether a program has a unix socket; one that is gone left it dead, which ECONNREFUSED alone says. */
  unixAnswers(path: string): Promise<boolean>;
}

/** Everything outside. */
export interface World {
  readonly platform: Platform;
  readonly root: boolean;
  readonly pid: number;
  /** Where lock files are kept: on a tmpfs, gone after a boot, unless only /tmp could be had. */
  readonly runDirectory: string;
  /** The environment's PATH. */
  readonly path: string;
  /** Whether a listening socket was handed over: sd_listen_fds(3). */
  readonly socketActivated: boolean;
  readonly log: Log;
  readonly progress: Progress;
  readonly clock: Clock;
  readonly files: Files;
  readonly programs: Programs;
  readonly launcher: Launcher;
  readonly sockets: Sockets;
  watchDevices(): DeviceEvents;
  readonly mounter: Mounter;
  readonly locks: FileLocks;
  readonly processes: Processes;
  openKernelLog(): KernelLog | null;
  /** Gives back memory that is not needed any more; the heap's takes 20 ms. */
  releaseMemory(what: "code" | "heap and code"): void;
}
