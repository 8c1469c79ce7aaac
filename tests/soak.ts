/**
 * `deno task soak`: the counted proofs at their high counts, as root: two and a half hours. `deno task soak
 * 0.1` takes a tenth of them, `deno task soak 1 kill fuzz` only some. The figures go to
 * tests/bench/reliability.json after each proof, and from there to reliability.md.
 *
 * @module
 */
import { commitName, place } from "./bench/figures.ts";
import { NAMESPACE, prepare, systemFiles } from "./run.ts";
import {
  appendProof,
  formatReport,
  mergeProofs,
  parseProofs,
  type RecordedProof,
} from "./support/proofs.ts";
import { type Counts, sumCounts } from "./support/report.ts";
import { runTests, TEST } from "./support/runner.ts";
import { REPORT_VARIABLE, SOAK_VARIABLE } from "./support/soak.ts";

const HERE = import.meta.dirname!;
const RECORD = `${HERE}/bench/reliability.json`;
const REPORT = `${HERE}/bench/reliability.md`;
const UNIT = ["errno", "run_model", "fuzz"].map((name) => `${HERE}/unit/${name}_test.ts`);
const GOKRAZY = [Deno.execPath(), "run", "-A", `${HERE}/gokrazy/run.ts`];
const FAULT_RUNS = 3;

/** A command that runs proofs, by the name that chooses it. */
interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** How often; each test of it counts as a round where it counts none by itself. */
  readonly runs?: number;
}

/** What runs one after the other, and what takes so long that it runs beside all that. */
async function steps(part: number): Promise<{ inTurn: Step[]; beside: Step[] }> {
  const nameOf = (path: string) => /([^/]+)_test\.ts$/.exec(path)![1]!;
  const unit = UNIT.map((path): Step => ({ name: nameOf(path), command: [...TEST, path] }));
  const system = (await systemFiles()).map((path): Step => ({
    name: nameOf(path),
    command: [...NAMESPACE, ...TEST, path],
  }));
  const counted = system.filter(({ name }) => name.startsWith("soak_"));
  const runs = Math.max(1, Math.round(FAULT_RUNS * part));
  const faults = system.filter(({ name }) => name.startsWith("faults_"))
    .map((step): Step => ({ ...step, runs }));
  const isLong = ({ name }: Step) => name === "soak_memory";
  return {
    inTurn: [
      ...[...unit, ...counted, ...faults].filter((step) => !isLong(step)),
      { name: "gokrazy", command: [...GOKRAZY, "ext4"] },
    ],
    beside: counted.filter(isLong),
  };
}

/** Runs a step to its end, and adds its figures to those of the proofs in `file`. */
async function runStep({ name, command, runs }: Step, env: Record<string, string>, file: string) {
  const startMs = performance.now();
  const counts: Counts[] = [];
  for (let run = 0; run < (runs ?? 1); run++) counts.push(await runTests(command, env));
  const total = sumCounts(counts);
  if (runs === undefined) return total;
  await appendProof(file, {
    name: `fault table: ${name.replace("faults_", "")}, rows x ${runs}`,
    count: total.passed + total.failed,
    done: total.passed,
    failure: total.failed === 0 ? null : `${total.failed} rows`,
    seconds: (performance.now() - startMs) / 1000,
    seed: null,
  });
  return total;
}

/** Puts results into the record, and writes the report anew. */
async function record(results: readonly RecordedProof[]): Promise<void> {
  const text = await Deno.readTextFile(RECORD).catch(() => "[]");
  const merged = mergeProofs(JSON.parse(text), results);
  await Deno.writeTextFile(RECORD, JSON.stringify(merged, null, 2) + "\n");
  await Deno.writeTextFile(REPORT, formatReport(merged));
}

async function soak(part: number, names: readonly string[]): Promise<Counts> {
  const file = await Deno.makeTempFile({ prefix: "restic-rest-server-soak-" });
  try {
    const env = {
      ...await prepare(),
      NO_COLOR: "1",
      [SOAK_VARIABLE]: String(part),
      [REPORT_VARIABLE]: file,
    };
    // What is measured is what stood there at the start, whatever is committed meanwhile.
    const [where, commit] = [await place(), await commitName()];
    const { inTurn, beside } = await steps(part);
    const isChosen = ({ name }: Step) =>
      names.length === 0 || names.some((wanted) => name.endsWith(wanted));
    const take = async (step: Step) => {
      const counts = await runStep(step, env, file);
      const results = parseProofs(await Deno.readTextFile(file));
      await record(results.map((result) => ({ ...result, where, commit })));
      return counts;
    };
    const long = Promise.all(beside.filter(isChosen).map(take));
    const counts: Counts[] = [];
    for (const step of inTurn.filter(isChosen)) counts.push(await take(step));
    return sumCounts([...counts, ...await long]);
  } finally {
    await Deno.remove(file);
  }
}

if (import.meta.main) {
  const part = Number(Deno.args[0] ?? 1);
  if (Deno.uid() !== 0) {
    console.error("soak: Cannot prove anything on real disks: run it as root");
    Deno.exit(77);
  }
  if (!(part >= 0 && part <= 1)) {
    console.error(`soak: Cannot take ${Deno.args[0]} of the counts: give a number from 0 to 1`);
    Deno.exit(78);
  }
  const { passed, failed, ignored } = await soak(part, Deno.args.slice(1));
  console.log(`${passed} passed, ${failed} failed, ${ignored} skipped`);
  Deno.exit(failed === 0 && passed > 0 ? 0 : 1);
}
