/**
 * `deno task soak`: the counted proofs at their high counts, as root. `deno task soak 0.1` takes a tenth of
 * them, `deno task soak 1 kill fuzz` only some. The figures go to tests/bench/reliability.md, which is written anew after each proof.
 *
 * @module
 */
import { machine } from "./bench/figures.ts";
import { NAMESPACE, prepare, systemFiles } from "./run.ts";
import { formatReport, parseProofs } from "./support/proofs.ts";
import { type Counts, sumCounts } from "./support/report.ts";
import { runTests, TEST } from "./support/runner.ts";
import { REPORT_VARIABLE, SOAK_VARIABLE } from "./support/soak.ts";

const HERE = import.meta.dirname!;
const REPORT = `${HERE}/bench/reliability.md`;
const UNIT = ["errno", "run_model", "fuzz"].map((name) => `${HERE}/unit/${name}_test.ts`);

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
    const where = await machine();
    const system = (await systemFiles()).filter((path) => path.includes("/soak_"));
    const runs = [
      ...UNIT.map((path) => [...TEST, path]),
      ...system.map((path) => [...NAMESPACE, ...TEST, path]),
    ];
    const counts: Counts[] = [];
    const chosen = (path: string) =>
      names.length === 0 || names.some((name) => path.endsWith(`${name}_test.ts`));
    for (const run of runs.filter((run) => chosen(run.at(-1)!))) {
      counts.push(await runTests(run, env));
      const results = parseProofs(await Deno.readTextFile(file));
      await Deno.writeTextFile(REPORT, formatReport(results, where, part));
    }
    return sumCounts(counts);
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
