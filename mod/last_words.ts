/**
 * What is said of an error that ends the program.
 *
 * @module
 */
import { ConfigError } from "./config.ts";
import { EXIT, Failure, type Platform } from "./exit.ts";
import type { Log } from "./log.ts";

/**
 * Says what went wrong, in the way it deserves: a user's mistake in a line, a defect with its stack.
 *
 * @returns the exit code.
 */
export function sayWhy(error: unknown, platform: Platform, log: Log): number {
  if (error instanceof ConfigError) {
    const exit_code = EXIT.configuration[platform];
    const facts = { event: "failed", kind: "configuration", exit_code } as const;
    for (const problem of error.problems) log.error(problem, facts);
    return exit_code;
  }
  if (error instanceof Failure) {
    const { kind, message } = error;
    const exit_code = EXIT[kind][platform];
    log.error(message, { event: "failed", kind, exit_code });
    return exit_code;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  const [what, ...stack] = text.split("\n");
  const exit_code = EXIT.defect[platform];
  log.error(`this is a defect of restic-rest-server, please report it: ${what}`, {
    event: "defect",
    exit_code,
    ...(stack.length === 0 ? {} : { stack: stack.join("\n") }),
  });
  return exit_code;
}
