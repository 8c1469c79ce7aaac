/**
 * The real restic against a served repository.
 *
 * @module
 */
import { run } from "./command.ts";
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
