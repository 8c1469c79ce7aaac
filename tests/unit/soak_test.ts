/** What the counted proofs stand on: seeds that bring a run back, counts, and the report. */
import assert from "node:assert/strict";
import { formatReport, mergeProofs, parseProofs, type ProofResult } from "../support/proofs.ts";
import { prove, Random, REPORT_VARIABLE, rounds, SOAK_VARIABLE } from "../support/soak.ts";
import { tempDirectory } from "../support/temp.ts";

Deno.test("a seed brings the same numbers back, and another one others", () => {
  const numbers = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 1000 }, () => random.next());
  };
  assert.deepEqual(numbers(7), numbers(7));
  assert.notDeepEqual(numbers(7), numbers(8));
  const all = numbers(7);
  assert.ok(all.every((number) => number >= 0 && number < 1));
  const average = all.reduce((sum, number) => sum + number) / all.length;
  assert.ok(Math.abs(average - 0.5) < 0.05, `the average of a thousand is ${average}`);
});

/** Runs with variables set, and sets them back. */
async function withVariables(variables: Record<string, string>, fn: () => Promise<void> | void) {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await fn();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

Deno.test("the high count is asked for as a part, and never falls below that of CI", async () => {
  for (const [part, expected] of [["0", 20], ["0.05", 20], ["0.5", 100], ["1", 200]] as const) {
    await withVariables({ [SOAK_VARIABLE]: part }, () => assert.equal(rounds(20, 200), expected));
  }
  for (const part of ["2", "-1", "all"]) {
    await withVariables({ [SOAK_VARIABLE]: part }, () => {
      assert.throws(() => rounds(20, 200), RangeError);
    });
  }
});

Deno.test("a proof that fails, or stops early, is a failure in the report, with its seed", async () => {
  await using directory = await tempDirectory();
  const path = `${directory.path}/report`;
  const proof = { name: "a|b", ci: 3, soak: 3 };
  await withVariables({ [REPORT_VARIABLE]: path, [SOAK_VARIABLE]: "0" }, async () => {
    await prove(proof, (tally) => void (tally.done = 3));
    await assert.rejects(prove(proof, (tally) => void (tally.done = 2)), /only 2 of 3 rounds/);
    const broken = prove(proof, (tally) => {
      tally.done = 1;
      throw new Error("lost | found\nmore");
    });
    await assert.rejects(broken, /^Error: round 2 of 3 \(TEST_SEED=\d+\): lost \| found$/);
  });
  const results = parseProofs(await Deno.readTextFile(path));
  const brief = ({ done, failure }: ProofResult) => [done, failure];
  assert.deepEqual(results.map(brief), [
    [3, null],
    [2, "only 2 of 3 rounds"],
    [1, "lost | found"],
  ]);
  const recorded = results.map((result) => ({ ...result, where: "machine", commit: "abc" }));
  const report = formatReport(recorded);
  assert.match(report, new RegExp(`lost \\\\\\| found .* ${results[2]!.seed} \\| abc \\|`));
  assert.match(report, /^- machine$/m);
});

Deno.test("a proof that ran again takes the place of its last run, and the others stay", () => {
  const proof = (name: string, seed: number) => ({
    ...{ name, seed, count: 1, done: 1, failure: null, seconds: 1, where: "", commit: "" },
  });
  const merged = mergeProofs([proof("a", 1), proof("b", 1)], [proof("a", 2), proof("c", 2)]);
  assert.deepEqual(merged, [proof("a", 2), proof("b", 1), proof("c", 2)]);
});
