/**
 * `deno task gokrazy:config [DIRECTORY [NAME]]`: prints the PackageConfig for gokrazy's `config.json`, made from
 * `env/restic-rest-server/env.txt` and `flags/restic-rest-server/flags.txt` of a directory, for the program or
 * for a further name of it.
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
async function configOf(directory: string, name?: string): Promise<string> {
  const found = await readConfigDirectory(directory, files);
  const settings = mergeSettings({}, found);
  const { warnings } = parseConfig(settings, parseServerArgs(found.args), "/");
  for (const warning of warnings) console.error(`gokrazy:config: ${warning}`);
  const config = packageConfig(found.variables, found.args, name);
  return JSON.stringify({ PackageConfig: config }, null, 4);
}

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 2 || args[0]?.startsWith("-")) {
    console.error("Usage: deno task gokrazy:config [DIRECTORY with env/ and flags/ in it [NAME]]");
    return EXIT_USAGE;
  }
  try {
    console.log(await configOf(args[0] ?? ROOT.replace(/\/$/, ""), args[1]));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
    return EXIT_CONFIG;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
