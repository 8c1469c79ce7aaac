/**
 * What `--help` and `--version` say: ours first, then rest-server's own; nothing is mounted.
 *
 * @module
 */
import { exitCode, messageOf } from "./exit.ts";
import { findServer, startServer, superviseServer } from "./server.ts";
import type { Signals } from "./signals.ts";
import type { World } from "./world.ts";

/** rest-server answers at once; one that does not is not waited for long. */
const STOP_MS = 5000;

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
  try {
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(await Deno.stdout.write(bytes));
    }
  } catch (error) {
    world.log.error(`Cannot write to stdout: ${messageOf(error)}`);
    return 1;
  }
  const server = startServer(await findServer(given, world), args, world);
  const options = { stopMs: STOP_MS, usesHtpasswd: false };
  return exitCode(await superviseServer(server, signals, options, world), world.platform);
}
