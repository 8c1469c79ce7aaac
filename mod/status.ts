/**
 * The verb `status`: what runs of this program are there, and whether they serve.
 *
 * @module
 */
import type { StatsFs } from "node:fs";
import { ConfigError, mergeSettings } from "./config.ts";
import { readConfigDirectory } from "./config_directory.ts";
import { EXIT, messageOf } from "./exit.ts";
import { resolveNearest } from "./paths.ts";
import { findRunDirectories } from "./run_directory.ts";
import { resolvePath } from "./server_args.ts";
import {
  lookAt,
  type Space,
  type StatusEdges,
  type StatusOfFile,
  unlessHanging,
} from "./status_look.ts";
import { parseStatusRecord } from "./status_record.ts";
import { allServe, type Status, statusReport, statusText } from "./status_text.ts";
import { escapeJson, takesColours } from "./terminal.ts";
import type { Files, World } from "./world.ts";

/** statfs(2), off the main thread. Loaded where it is used, for it takes 35 ms. */
async function statfs(path: string): Promise<Space> {
  const { statfs } = await import("node:fs/promises");
  // Deno gives f_frsize, too, which Node and its types leave out: FUSE counts in it, and reads in f_bsize.
  const facts: StatsFs & { readonly frsize?: number } = await statfs(path);
  const { bsize, frsize, blocks, bfree, bavail, files, ffree } = facts;
  const unit = frsize || bsize;
  return {
    sizeBytes: blocks * unit,
    usedBytes: (blocks - bfree) * unit,
    freeBytes: bavail * unit,
    inodes: files,
    freeInodes: ffree,
  };
}

/**
 * The target that is asked about; `undefined`: all of them.
 *
 * @throws {ConfigError} where it cannot be one, or a file of `MNT_CONFIG_DIR` cannot be read.
 */
async function askedTarget(
  environment: Readonly<Record<string, string>>,
  files: Files,
): Promise<string | undefined> {
  const directory = environment["MNT_CONFIG_DIR"];
  const fromFiles = directory ? await readConfigDirectory(directory, files) : undefined;
  const { value = "" } = mergeSettings(environment, fromFiles).get("MNT_TARGET") ?? {};
  if (value === "") return undefined;
  if (!value.startsWith("/")) {
    throw new ConfigError([`Cannot use MNT_TARGET=${JSON.stringify(value)}: not an absolute path`]);
  }
  return resolvePath(value, "/");
}

/** The whole records in a directory; a file that is none of this version's is as good as missing. */
async function readRecords(directory: string, files: Files): Promise<StatusOfFile[]> {
  const names = (await files.list(directory)).filter((name) => name.endsWith(".status"));
  const records = await Promise.all(
    names.toSorted().map(async (name) => {
      try {
        const path = `${directory}/${name}`;
        return [{ path, record: parseStatusRecord(await files.readText(path)) }];
      } catch {
        return [];
      }
    }),
  );
  return records.flat();
}

/** The runs of a target. Its symlinks are resolved only where need be: the way can lead over a dead disk. */
async function selectRecords(
  records: readonly StatusOfFile[],
  target: string | undefined,
  { files, clock }: StatusEdges,
): Promise<readonly StatusOfFile[]> {
  if (target === undefined) return records;
  const named = (name: string) => records.filter(({ record }) => record.target === name);
  const found = named(target);
  if (found.length > 0) return found;
  const { real } = await unlessHanging(resolveNearest(target, files), clock);
  return named(real);
}

/** Looks at every run that is asked about; what keeps it from looking is said, never thrown. */
async function findStatus(
  target: string | undefined,
  directories: readonly string[],
  edges: StatusEdges,
): Promise<Status> {
  try {
    const all = await Promise.all(directories.map((path) => readRecords(path, edges.files)));
    const records = await selectRecords(all.flat(), target, edges);
    if (records.length > 0) {
      return { instances: await Promise.all(records.map((one) => lookAt(one, edges))), why: null };
    }
    const what = target === undefined ? "" : ` for "${target}"`;
    const why = `no restic-rest-server runs${what}: there is no status file in ` +
      (directories.join(", ") || "any of its directories");
    return { instances: [], why };
  } catch (error) {
    return { instances: [], why: `Cannot look for status files: ${messageOf(error)}` };
  }
}

/**
 * Says what runs are there; `MNT_TARGET` picks one.
 *
 * @returns 0 where all of them serve, 69 where not, 78 for a question that makes no sense.
 * @throws {ConfigError} see {@linkcode askedTarget}.
 */
export async function showStatus(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  print: (text: string) => Promise<boolean>,
  world: Pick<World, "files" | "clock">,
): Promise<number> {
  const json = args[0] === "--json";
  if (args.length > (json ? 1 : 0)) {
    const given = args.map((arg) => JSON.stringify(arg)).join(" ");
    throw new ConfigError([
      `Cannot say the status: status takes --json and nothing else: ${given}`,
    ]);
  }
  const edges = { ...world, statfs, readText: Deno.readTextFile };
  const target = await askedTarget(environment, world.files);
  const status = await findStatus(target, await findRunDirectories(environment), edges);
  const now = { bootMs: Deno.osUptime() * 1000, wallMs: Date.now() };
  const colours = takesColours(Deno.stdout.isTerminal(), environment);
  const text = json
    ? `${escapeJson(JSON.stringify(statusReport(status, now), null, 2))}\n`
    : statusText(status, now, colours);
  if (!await print(text)) return 1;
  return allServe(status) ? 0 : EXIT["no device"].host;
}
