/**
 * The real restic against a served repository.
 *
 * @module
 */
import { run } from "./command.ts";
import type { Random } from "./soak.ts";
import { realTools } from "./system.ts";

/** restic's password; as good as any. */
const PASSWORD = "system test";

/** The command line that runs restic on a repository: a directory, or `rest:http://...`. */
export async function resticCommand(repository: string, ...args: readonly string[]) {
  const { restic } = await realTools();
  // By env(1), since the password has no flag of its own.
  const variables = [`RESTIC_PASSWORD=${PASSWORD}`, `RESTIC_REPOSITORY=${repository}`];
  return ["env", ...variables, restic, "--no-cache", "--quiet", ...args] as const;
}

/** Runs restic on the repository at `address`: `host:port`, or a whole URL. */
export async function restic(address: string, ...args: readonly string[]): Promise<string> {
  const url = address.includes("://") ? address : `http://${address}/`;
  const [program, ...rest] = await resticCommand(`rest:${url}`, ...args);
  return await run(program, ...rest);
}

/** Files of a source that {@linkcode changeSource} makes. */
const FILES = 8;

/** Something new to back up, in files of some hundred KiB. */
export async function changeSource(directory: string, random: Random): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for (let i = 0; i < 2; i++) {
    const path = `${directory}/${random.below(FILES)}`;
    await Deno.writeFile(path, random.bytes(1 + random.below(400_000)));
  }
}

/** A backup that somebody else may cut short. */
export async function startBackup(address: string, source: string): Promise<Deno.ChildProcess> {
  const [program, ...args] = await resticCommand(`rest:http://${address}/`, "backup", source);
  return new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
}

/** init, backup, check of all data, restore, and a comparison of every file; `more` goes to each restic. */
export async function resticRoundTrip(
  address: string,
  directory: string,
  ...more: readonly string[]
): Promise<void> {
  const source = `${directory}/source`;
  await Deno.mkdir(`${source}/größe`, { recursive: true });
  const megabyte = new Uint8Array(1024 ** 2);
  for (let i = 0; i < megabyte.length; i += 65536) {
    crypto.getRandomValues(megabyte.subarray(i, i + 65536));
  }
  await Deno.writeFile(`${source}/random`, megabyte);
  await Deno.writeTextFile(`${source}/größe/two\nlines`, "text\n");
  await Deno.writeTextFile(`${source}/empty`, "");

  await restic(address, ...more, "init");
  await restic(address, ...more, "backup", source);
  await restic(address, ...more, "check", "--read-data");
  await restic(address, ...more, "restore", "latest", "--target", `${directory}/restored`);
  await run("diff", "--recursive", source, `${directory}/restored${source}`);
}

/** Makes the repository, and a first backup of a new source; gives how long that backup took. */
export async function firstBackup(
  address: string,
  source: string,
  random: Random,
): Promise<number> {
  await restic(address, "init");
  await changeSource(source, random);
  const startMs = performance.now();
  await restic(address, "backup", source);
  return performance.now() - startMs;
}
