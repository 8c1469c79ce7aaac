/**
 * Calls of the launcher that fail only by a defect.
 *
 * @module
 */
import { Failure } from "../mod/exit.ts";
import { errnoName } from "../mod/linux.ts";
import { type LauncherLibc, readErrno } from "./libc.ts";

/** errno of the last call, by name. */
export function lastErrno(libc: LauncherLibc): string {
  return errnoName(readErrno(libc));
}

/** @throws {Failure} "defect" where a call gave a negative result. */
export function requireDone(libc: LauncherLibc, result: number, call: string): void {
  if (result >= 0) return;
  throw new Failure("defect", `Cannot prepare rest-server: ${call}: ${lastErrno(libc)}`);
}

/** prctl(2) with one value. @throws {Failure} "defect" */
export function setProcess(libc: LauncherLibc, option: number, value: number): void {
  const result = libc.prctl(option, BigInt(value), 0n, 0n, 0n);
  requireDone(libc, result, `prctl(2), option ${option}`);
}
