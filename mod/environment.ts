/**
 * The environment that rest-server inherits: as it came, less `MNT_*`, what Deno added, and what was meant
 * for this process alone.
 *
 * @module
 */

/** This program's own, Deno's, and those by which a service manager asks this process alone: see sd_notify(3). */
const NOT_HANDED_ON = /^(MNT_|DENO_|NOTIFY_SOCKET$|WATCHDOG_(USEC|PID)$)/;

/** What to change in the environment. */
export interface EnvironmentChange {
  readonly remove: readonly string[];
  /** The PATH to set; `undefined` where it stays. */
  readonly path: string | undefined;
}

/**
 * Finds the variables of this program, and those of `deno run`, which puts a directory of its own in front of
 * PATH.
 */
export function cleanEnvironment(environment: Readonly<Record<string, string>>): EnvironmentChange {
  const remove = Object.keys(environment).filter((name) => NOT_HANDED_ON.test(name));
  const path = environment["PATH"];
  const clean = path?.split(":").filter((directory) => !directory.endsWith("/node_compat_bin"))
    .join(":");
  // Nothing but Deno's own directory: there was no PATH. An empty one would mean the working directory.
  if (path !== "" && clean === "") return { remove: [...remove, "PATH"], path: undefined };
  return { remove, path: clean === path ? undefined : clean };
}

/**
 * A line for each `MNT_*` variable in the bytes of `/proc/self/environ` whose value is not UTF-8. Deno.env
 * leaves such variables out, so that a mount that was asked for would not even be noticed.
 */
export function encodingProblems(environ: Uint8Array): string[] {
  const problems: string[] = [];
  for (let start = 0; start < environ.length;) {
    const zero = environ.indexOf(0, start);
    const end = zero < 0 ? environ.length : zero;
    const bytes = environ.subarray(start, end);
    start = end + 1;
    const text = new TextDecoder().decode(bytes);
    if (!text.startsWith("MNT_")) continue;
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      const name = text.slice(0, text.indexOf("="));
      problems.push(`Cannot use ${name}: its value is not UTF-8; set it again as UTF-8`);
    }
  }
  return problems;
}
