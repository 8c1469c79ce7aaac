/**
 * Becoming another program.
 *
 * @module
 */
import { Failure } from "../mod/exit.ts";
import { type LaunchPlan, tooManyArguments } from "../mod/launch.ts";
import { ERRNO, errnoName } from "../mod/linux.ts";
import { addressOf, cString, type LauncherLibc, readErrno } from "./libc.ts";

/** Errors of execve(2) that may be gone at the next try. */
const BUSY: readonly number[] = [ERRNO.EAGAIN, ERRNO.ENOMEM, ERRNO.ETXTBSY];

const POINTER_BYTES = 8;

/** argv of execve(2) in one buffer: pointers to the strings, NULL, and behind it the strings themselves. */
export function layArgv(args: readonly string[]): Uint8Array<ArrayBuffer> {
  const strings = args.map(cString);
  let offset = (strings.length + 1) * POINTER_BYTES;
  const bytes = new Uint8Array(strings.reduce((sum, { length }) => sum + length, offset));
  const [start, view] = [addressOf(bytes), new DataView(bytes.buffer)];
  for (const [i, string] of strings.entries()) {
    view.setBigUint64(i * POINTER_BYTES, start + BigInt(offset), true);
    bytes.set(string, offset);
    offset += string.length;
  }
  return bytes;
}

/**
 * execve(2): this process is rest-server from then on.
 *
 * @throws {Failure} always: it comes back only where it failed.
 */
export function execute(
  libc: LauncherLibc,
  { program, user }: LaunchPlan,
  args: readonly string[],
): never {
  libc.execv(cString(program), layArgv([program, ...args]));
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
