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
import {
  type Counts,
  coverageOfLines,
  formatCoverage,
  readCounts,
  sumCounts,
} from "./support/report.ts";

const HERE = import.meta.dirname!;
/** Percent of lines of mod/ that the tests must run. */
const COVERAGE_MIN = 95;
/** As root these make the disks of tests/system/. */
const DISK_PROGRAMS = ["losetup", "mkfs.ext4", "mkfs.btrfs", "mkfs.xfs"];
const TEST = [
  Deno.execPath(),
  "test",
  "--quiet",
  "--allow-all",
  "--sanitize-ops",
  "--sanitize-resources",
  "--no-prompt",
];

const root = Deno.uid() === 0;
const say = (line: string) => console.log(`test: ${line}`);

/** Runs one `deno test`, shows what it prints, and reads the counts from its closing line. */
async function runTests(command: readonly string[], env: Record<string, string>): Promise<Counts> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, env, stdin: "null", stdout: "piped" }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    await Deno.stdout.write(new TextEncoder().encode(text));
  }
  return readCounts(output, (await child.status).code);
}

async function systemFiles(): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(`${HERE}/system`)) {
    if (entry.name.endsWith("_test.ts")) names.push(`${HERE}/system/${entry.name}`);
  }
  return names.toSorted();
}

/** Gets disk tools and the real rest-server and restic; what cannot be had is said, and its tests are ignored. */
async function prepare(): Promise<Record<string, string>> {
  if (root) {
    await ensurePrograms(DISK_PROGRAMS, say).catch((error) =>
      say(`${error.message}; see ignored tests`)
    );
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

async function main(): Promise<number> {
  const startMs = performance.now();
  const coverage = await Deno.makeTempDir({ prefix: "restic-rest-server-coverage-" });
  try {
    const env = { ...await prepare(), DENO_COVERAGE_DIR: coverage, NO_COLOR: "1" };
    const counts = [
      await runTests([...TEST, "--parallel", `${HERE}/unit`, `${HERE}/program`], env),
    ];
    const files = await systemFiles();
    if (root) {
      for (const file of files) {
        const namespace = ["unshare", "--mount", "--propagation", "private"];
        counts.push(await runTests([...namespace, ...TEST, file], env));
      }
    } else {
      say("not root: the tests on real disks are shown as ignored");
      counts.push(await runTests([...TEST, ...files], env));
    }

    const lcov = await new Deno.Command(Deno.execPath(), {
      args: ["coverage", "--quiet", "--lcov", "--include=/mod/", coverage],
      stderr: "null",
    }).output();
    const lines = coverageOfLines(new TextDecoder().decode(lcov.stdout));
    console.log(formatCoverage(lines));
    const total = sumCounts(counts);
    const covered = lines.total >= COVERAGE_MIN;
    if (!covered) say(`FAILED: less than ${COVERAGE_MIN} % of the lines of mod/ were run`);
    say(`took ${Math.round((performance.now() - startMs) / 1000)} s`);
    const failed = total.failed + (covered ? 0 : 1);
    console.log(`${total.passed} passed, ${failed} failed, ${total.ignored} skipped`);
    return failed === 0 && total.passed > 0 ? 0 : 1;
  } finally {
    await Deno.remove(coverage, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main());
