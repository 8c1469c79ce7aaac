/**
 * `deno task test:gokrazy`: gets what the scenarios need, and runs them file by file on booted gokrazy
 * systems. `smoke` is one file with one round of each; `record` is three full runs in a row, written to
 * tests/bench/gokrazy.md; any other argument names a file, as `rpi`.
 *
 * The last line is `N passed, N failed, N skipped`, from the runner's own reports.
 *
 * @module
 */
import { findProgram, runCommand } from "../../dist/tools/command.ts";
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { findTools } from "../../dist/tools/tools.ts";
import { machine } from "../bench/figures.ts";
import { type Counts, sumCounts } from "../support/report.ts";
import { runTests, TEST } from "../support/runner.ts";
import { tempDirectory } from "../support/temp.ts";
import { endMachine } from "./support/machine.ts";
import { endNfsServer, NFS_PROGRAMS } from "./support/nfs_server.ts";
import { formatRuns, parseResults, type Result, writeSection } from "./support/record.ts";
import { PROGRAMS } from "./support/session.ts";

const HERE = import.meta.dirname!;
/** The files of a full run. btrfs needs a kernel of its own, and runs when it is named. */
const ALL = ["ext4", "rpi", "faults", "nfs"];
/** What a file needs besides; it is ignored without them, and the others are not. */
const MORE_PROGRAMS: Readonly<Record<string, readonly string[]>> = { nfs: NFS_PROGRAMS };
/** Runs in a row of `record`. */
const RECORDED_RUNS = 3;
const EXIT_USAGE = 64;

const say = (line: string) => console.log(`gokrazy: ${line}`);

/** Runs test files one after the other. */
async function runFiles(paths: readonly string[], env: Readonly<Record<string, string>>) {
  // Not quiet: building an image takes minutes, and a second attempt at booting is to be seen.
  const test = TEST.filter((argument) => argument !== "--quiet");
  const counts: Counts[] = [];
  const results: Result[] = [];
  for (const path of paths) {
    const { output, ...count } = await runTests([...test, path], env);
    counts.push(count);
    results.push(...parseResults(output));
  }
  return { counts: sumCounts(counts), results };
}

/** Gets programs and tools; what cannot be had is said, and the scenarios are shown as ignored. */
async function prepare(files: readonly string[]): Promise<Record<string, string>> {
  const directories: string[] = [];
  const sayMissing = (error: unknown) =>
    say(`${error instanceof Error ? error.message : error}; see ignored tests`);
  try {
    await ensurePrograms(PROGRAMS, say);
    const tools = await findTools(say);
    directories.push(...Object.values(tools), await findProgram("go") ?? "");
  } catch (error) {
    sayMissing(error);
  }
  for (const file of files) {
    await ensurePrograms(MORE_PROGRAMS[file] ?? [], say).catch(sayMissing);
  }
  const folders = directories.map((path) => path.slice(0, path.lastIndexOf("/")));
  return { PATH: [...new Set(folders), Deno.env.get("PATH") ?? ""].join(":") };
}

/** Ends the machines, and what served them, of a test that was killed before it could do so. */
async function endMachines(directory: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (await endMachine(`${directory}/${name}`)) say("ended a machine that a test had left");
    if (await endNfsServer(`${directory}/${name}/nfs`)) say("ended an NFS server, too");
  }
}

async function record(runs: readonly Result[][]): Promise<void> {
  const [qemu] = await runCommand("qemu-system-aarch64", ["--version"]);
  const where = `${await machine()} ${qemu}, no KVM; one instruction is 1 ns of guest time.`;
  const body = `${where}\n\n${formatRuns(runs)}\n\nTimes are wall times of a shared machine.`;
  await writeSection("Test runs in a row", body);
}

async function main(name: string | undefined): Promise<number> {
  const startMs = performance.now();
  const all = name === undefined || name === "record";
  const files = all ? ALL : [name === "smoke" ? "ext4" : name];
  const paths = files.map((file) => `${HERE}/${file}_test.ts`);
  for (const path of paths) {
    if (await Deno.stat(path).catch(() => null) === null) {
      console.error(`Cannot run "${name}": there is no "${path}"`);
      return EXIT_USAGE;
    }
  }
  await using temporary = await tempDirectory();
  const env = {
    ...await prepare(files),
    NO_COLOR: "1",
    TMPDIR: temporary.path,
    ...(name === "smoke" ? { GOKRAZY_ROUNDS: "1" } : {}),
  };
  const counts: Counts[] = [];
  const runs: Result[][] = [];
  try {
    for (let run = 0; run < (name === "record" ? RECORDED_RUNS : 1); run++) {
      const { counts: count, results } = await runFiles(paths, env);
      counts.push(count);
      runs.push(results);
    }
  } finally {
    await endMachines(temporary.path);
  }
  if (name === "record") await record(runs);
  const { passed, failed, ignored } = sumCounts(counts);
  say(`took ${Math.round((performance.now() - startMs) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed, ${ignored} skipped`);
  return failed === 0 && passed + ignored > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0]));
