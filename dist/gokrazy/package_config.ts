/**
 * The configuration of gokrazy's `config.json` for this program, made from the files of `env/` and `flags/`.
 *
 * @module
 */

/** One entry of PackageConfig, as `gok` knows it. */
interface PackageEntry {
  readonly Environment?: readonly string[];
  readonly CommandLineFlags?: readonly string[];
  readonly WaitForClock?: boolean;
  readonly DontStart?: boolean;
}

/** The Go import path of the package that `deno task dist` makes. */
export const PACKAGE = "restic-rest-server";
/** rest-server's own package: it is installed by it, and started by this program alone. */
export const REST_SERVER = "github.com/restic/rest-server/cmd/rest-server";

/**
 * PackageConfig: this program with its variables and flags, and rest-server kept from starting by itself.
 *
 * @param name of a further instance, as `deno task dist --name` takes it.
 */
export function packageConfig(
  variables: Readonly<Record<string, string>>,
  flags: readonly string[],
  name?: string,
): Readonly<Record<string, PackageEntry>> {
  return {
    [name === undefined ? PACKAGE : `${PACKAGE}/${name}`]: {
      Environment: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      CommandLineFlags: flags,
      WaitForClock: true,
    },
    [REST_SERVER]: { DontStart: true },
  };
}
