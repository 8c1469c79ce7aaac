/**
 * What `--help` and `--version` say: ours first, then rest-server's own; nothing is mounted.
 *
 * @module
 */
import { exitCode, Failure, messageOf } from "./exit.ts";
import { findServer } from "./find_program.ts";
import { superviseServer } from "./server.ts";
import type { Signals } from "./signals.ts";
import type { ServerProcess, World } from "./world.ts";

/** rest-server answers at once; one that does not is not waited for long. */
const STOP_MS = 5000;

/** Without the launcher, for nothing is served: no mount, no sandbox, no user. */
function startAnswering(program: string, args: readonly string[], world: World): ServerProcess {
  try {
    return world.programs.start(program, args);
  } catch (error) {
    const kind = error instanceof Deno.errors.NotFound ? "not found" : "not executable";
    throw new Failure(
      kind,
      `Cannot run rest-server "${program}": ${messageOf(error)}; is it built for this machine? ` +
        "MNT_SERVER names another one",
      { cause: error },
    );
  }
}

/** Writes text to stdout; `false`, after a line in the log, where that does not take it. */
export async function print(text: string, world: World): Promise<boolean> {
  try {
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    }
    return true;
  } catch (error) {
    world.log.error(`Cannot write to stdout: ${messageOf(error)}`, {
      event: "file-failed",
      path: "/dev/stdout",
      why: messageOf(error),
    });
    return false;
  }
}

/**
 * Writes our answer to stdout, then lets rest-server add its own; gives the exit code.
 *
 * @param text our answer.
 * @param given `MNT_SERVER`.
 * @throws {Failure} where there is no rest-server to ask.
 */
export async function answer(
  text: string,
  given: string | null,
  args: readonly string[],
  signals: Signals,
  world: World,
): Promise<number> {
  if (!await print(text, world)) return 1;
  const server = startAnswering(await findServer(given, world), args, world);
  const options = { stopMs: STOP_MS, usesHtpasswd: false };
  const { ending } = await superviseServer(server, signals, options, world);
  return exitCode(ending, world.platform);
}
