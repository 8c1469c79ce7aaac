/**
 * `deno task gokrazy:config [DIRECTORY]`: prints the PackageConfig for gokrazy's `config.json`, made from
 * `env/restic-rest-server/env.txt` and `flags/restic-rest-server/flags.txt` of a directory.
 *
 * @module
 */
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { readConfigDirectory } from "../../mod/config_directory.ts";
import { files } from "../../mod/edges.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { packageConfig } from "../gokrazy/package_config.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;

/** @throws {ConfigError} for files that cannot be read, and for what the program would refuse at its start. */
async function configOf(directory: string): Promise<string> {
  const found = await readConfigDirectory(directory, files);
  const settings = mergeSettings({}, found);
  const { warnings } = parseConfig(settings, parseServerArgs(found.args), "/");
  for (const warning of warnings) console.error(`gokrazy:config: ${warning}`);
  return JSON.stringify({ PackageConfig: packageConfig(found.variables, found.args) }, null, 4);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 1 || args[0]?.startsWith("-")) {
    console.error("Usage: deno task gokrazy:config [DIRECTORY with env/ and flags/ in it]");
    return EXIT_USAGE;
  }
  try {
    console.log(await configOf(args[0] ?? ROOT.replace(/\/$/, "")));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
    return EXIT_CONFIG;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
