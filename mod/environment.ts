/**
 * The environment that rest-server inherits: as it came, less `MNT_*` and what Deno added.
 *
 * @module
 */

/** What to change in the environment. */
export interface EnvironmentChange {
  readonly remove: readonly string[];
  /** The PATH to set; `undefined` where it stays. */
  readonly path: string | undefined;
}

/**
 * Finds the variables of this program and of `deno run`, which puts a directory of its own in front of
 * PATH.
 */
export function cleanEnvironment(environment: Readonly<Record<string, string>>): EnvironmentChange {
  const remove = Object.keys(environment).filter((name) => /^(MNT_|DENO_)/.test(name));
  const path = environment["PATH"];
  const clean = path?.split(":").filter((directory) => !directory.endsWith("/node_compat_bin"))
    .join(":");
  return { remove, path: clean === path ? undefined : clean };
}
