/**
 * `deno task test`: gets what the tests need, runs them all, shows the coverage of mod/.
 *
 * As root each file of tests/system/ runs in a mount namespace of its own, so that no mount can leak.
 * The last line is `N passed, N failed, N skipped`, from the runner's own reports.
 *
 * @module
 */
import { ensurePrograms } from "../dist/tools/debian.ts";
import { findTools } from "../dist/tools/tools.ts";
import { EsbuildMissing, runnableBundle } from "../dist/gokrazy/bundle.ts";
import { DistError } from "../dist/gokrazy/image.ts";
import {
  type Counts,
  coverageOfLines,
  formatCoverage,
  readFaults,
  sumCounts,
} from "./support/report.ts";
import { PROGRAM_VARIABLE } from "./support/wrapper.ts";
import { runTests, TEST } from "./support/runner.ts";

const HERE = import.meta.dirname!;
/** Percent of lines of mod/ that the tests must run. */
const COVERAGE_MIN = 95;
/** Rows that the fault table must have: so many faults are never lost to a mistake in its files. */
const FAULTS_MIN = 80;
/** As root these make the disks of tests/system/. */
const DISK_PROGRAMS = [
  ...["losetup", "mkfs.ext4", "mkfs.btrfs", "mkfs.xfs"],
  // What is no file system, or none that a kernel of these tests has.
  ...["cryptsetup", "pvcreate", "mkntfs"],
];
/** These judge the units and the manual page, and boot the former. */
const HOST_PROGRAMS = ["systemd-analyze", "man", "groff"];
/** The tests of what goes into gokrazy's image, which need no booted one. */
const DIST_TESTS = ["dist_package", "dist_shim"].map((name) => `${HERE}/gokrazy/${name}_test.ts`);

/** Runs what follows in a mount namespace of its own. */
export const NAMESPACE = ["unshare", "--mount", "--propagation", "private"];

const root = Deno.uid() === 0;
const say = (line: string) => console.log(`test: ${line}`);

/** The files of tests/system/. */
export async function systemFiles(): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(`${HERE}/system`)) {
    if (entry.name.endsWith("_test.ts")) names.push(`${HERE}/system/${entry.name}`);
  }
  return names.toSorted();
}

/** Gets disk tools and the real rest-server and restic; what cannot be had is said, and its tests are ignored. */
export async function prepare(): Promise<Record<string, string>> {
  if (root) {
    for (const programs of [DISK_PROGRAMS, HOST_PROGRAMS]) {
      await ensurePrograms(programs, say).catch((error) =>
        say(`${error.message}; see ignored tests`)
      );
    }
  }
  try {
    const tools = await findTools(say);
    const directories = Object.values(tools).map((path) => path.slice(0, path.lastIndexOf("/")));
    return { PATH: [...new Set(directories), Deno.env.get("PATH") ?? ""].join(":") };
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}`);
    say("the tests that need them are ignored");
    return {};
  }
}

/** The tests of the program once more, against the one JavaScript file that goes into gokrazy's image. */
async function testBundle(env: Record<string, string>): Promise<Counts> {
  const folder = await Deno.makeTempDir({ prefix: "restic-rest-server-bundle-" });
  try {
    const starter = await runnableBundle(folder, Deno.execPath());
    say("the tests of the program again, with the program bundled to one file");
    // What installs makes a bundle of its own.
    const once = ["install", "host_files"].map((name) => `${HERE}/program/${name}_test.ts`);
    return await runTests(
      [...TEST, "--parallel", `--ignore=${once.join(",")}`, `${HERE}/program`],
      {
        ...env,
        [PROGRAM_VARIABLE]: starter,
      },
    );
  } catch (error) {
    if (!(error instanceof DistError)) throw error;
    const ignored = error instanceof EsbuildMissing;
    const how = ignored ? "ignored" : "FAILED";
    say(`${how}: the tests of the program with the bundle: ${error.message}`);
    return { passed: 0, failed: ignored ? 0 : 1, ignored: ignored ? 1 : 0 };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What `deno coverage` makes of a folder, as lcov; its own words where it fails. */
async function readCoverage(folder: string): Promise<string> {
  // A program that was killed while it wrote leaves a part of a file, on which deno coverage gives up.
  for await (const { name } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    using file = await Deno.open(path);
    const last = new Uint8Array(1);
    const { size } = await file.stat();
    if (size > 0) await file.seek(-1, Deno.SeekMode.End);
    await file.read(last);
    if (last[0] !== "}".charCodeAt(0)) await Deno.remove(path);
  }
  const args = ["coverage", "--quiet", "--lcov", "--include=/mod/", folder];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const [text, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) say(`deno coverage failed: ${complaint}`);
  return text!;
}

/** Says how many rows of the fault table held; whether all are there. */
function judgeFaults({ passed, failed, ignored }: Counts): boolean {
  say(
    `${passed} rows of the fault table held, ${ignored} ignored` +
      (failed > 0 ? `, ${failed} FAILED` : ""),
  );
  const complete = passed + failed + ignored >= FAULTS_MIN;
  if (!complete) say(`FAILED: the fault table has fewer than ${FAULTS_MIN} rows`);
  return complete;
}

async function main(): Promise<number> {
  const startMs = performance.now();
  const coverage = await Deno.makeTempDir({ prefix: "restic-rest-server-coverage-" });
  try {
    const plain = { ...await prepare(), NO_COLOR: "1" };
    const env = { ...plain, DENO_COVERAGE_DIR: coverage };
    const counts = [
      await runTests([...TEST, "--parallel", `${HERE}/unit`, `${HERE}/program`], env),
      // Without coverage: the lines of the bundle are not those of mod/.
      await testBundle(plain),
      await runTests([...TEST, ...DIST_TESTS], plain),
    ];
    const files = await systemFiles();
    const faults: Counts[] = [];
    if (root) {
      for (const file of files) {
        // Hundreds of runs of the program tell nothing new about its lines, and the files fill the disk. A
        // program that a fault cuts short leaves half a file, on which deno coverage gives up.
        const settings = /\/(soak|faults)_/.test(file) ? plain : env;
        const ran = await runTests([...NAMESPACE, ...TEST, file], settings);
        counts.push(ran);
        faults.push(readFaults(ran.output));
      }
    } else {
      say("not root: the tests on real disks are shown as ignored");
      counts.push(await runTests([...TEST, ...files], env));
    }

    const lines = coverageOfLines(await readCoverage(coverage));
    console.log(formatCoverage(lines));
    const total = sumCounts(counts);
    const covered = lines.total >= COVERAGE_MIN;
    if (!covered) say(`FAILED: less than ${COVERAGE_MIN} % of the lines of mod/ were run`);
    say(`took ${Math.round((performance.now() - startMs) / 1000)} s`);
    const complete = !root || judgeFaults(sumCounts(faults));
    const failed = total.failed + (covered ? 0 : 1) + (complete ? 0 : 1);
    console.log(`${total.passed} passed, ${failed} failed, ${total.ignored} skipped`);
    return failed === 0 && total.passed > 0 ? 0 : 1;
  } finally {
    await Deno.remove(coverage, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
