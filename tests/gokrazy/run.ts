/**
 * `deno task test:gokrazy`: gets what the scenarios need, and runs them file by file on booted gokrazy
 * systems. `smoke` is one file with one round of each; any other argument names a file, as `rpi`.
 *
 * The last line is `N passed, N failed, N skipped`, from the runner's own reports.
 *
 * @module
 */
import { findProgram } from "../../dist/tools/command.ts";
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { findTools } from "../../dist/tools/tools.ts";
import { type Counts, sumCounts } from "../support/report.ts";
import { runTests, TEST } from "../support/runner.ts";
import { tempDirectory } from "../support/temp.ts";
import { endMachine } from "./support/machine.ts";
import { PROGRAMS } from "./support/session.ts";

const HERE = import.meta.dirname!;
/** The files of a full run. btrfs needs a kernel of its own, and runs when it is named. */
const ALL = ["ext4", "rpi", "faults"];
const EXIT_USAGE = 64;

const say = (line: string) => console.log(`gokrazy: ${line}`);

/** Gets programs and tools; what cannot be had is said, and the scenarios are shown as ignored. */
async function prepare(): Promise<Record<string, string>> {
  const directories: string[] = [];
  try {
    await ensurePrograms(PROGRAMS, say);
    const tools = await findTools(say);
    directories.push(...Object.values(tools), await findProgram("go") ?? "");
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}; see ignored tests`);
  }
  const folders = directories.map((path) => path.slice(0, path.lastIndexOf("/")));
  return { PATH: [...new Set(folders), Deno.env.get("PATH") ?? ""].join(":") };
}

/** Ends the machines of a test that was killed before it could do so. */
async function endMachines(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (await endMachine(`${directory}/${name}`)) say("ended a machine that a test had left");
  }
}

async function main(name: string | undefined): Promise<number> {
  const startMs = performance.now();
  const files = name === undefined ? ALL : [name === "smoke" ? "ext4" : name];
  const paths = files.map((file) => `${HERE}/${file}_test.ts`);
  for (const path of paths) {
    if (await Deno.stat(path).catch(() => null) === null) {
      console.error(`Cannot run "${name}": there is no "${path}"`);
      return EXIT_USAGE;
    }
  }
  await using temporary = await tempDirectory();
  const env = {
    ...await prepare(),
    NO_COLOR: "1",
    TMPDIR: temporary.path,
    ...(name === "smoke" ? { GOKRAZY_ROUNDS: "1" } : {}),
  };
  const counts: Counts[] = [];
  try {
    // Not quiet: building an image takes minutes, and a second attempt at booting is to be seen.
    const test = TEST.filter((argument) => argument !== "--quiet");
    for (const path of paths) counts.push(await runTests([...test, path], env));
  } finally {
    await endMachines(temporary.path);
  }
  const { passed, failed, ignored } = sumCounts(counts);
  say(`took ${Math.round((performance.now() - startMs) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed, ${ignored} skipped`);
  return failed === 0 && passed + ignored > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0]));
