/**
 * Reads what `deno test` and `deno coverage` report.
 *
 * @module
 */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/**
 * The counts of the closing line of one `deno test`: `ok | 12 passed | 0 failed | 2 ignored (1s)`. A run
 * that closed on none, or failed in another way than by its tests, counts as one failure.
 */
export function readCounts(output: string, exitCode: number): Counts {
  // deno-lint-ignore no-control-regex -- colours
  const text = output.replace(/\x1b\[[0-9;]*m/g, "");
  const [, passed, failed, rest] =
    /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))? \| (\d+) failed(?: \(\d+ steps?\))?(.*)$/m
      .exec(text) ?? [];
  if (passed === undefined) return { passed: 0, failed: 1, ignored: 0 };
  const ignored = Number(/(\d+) ignored/.exec(rest ?? "")?.[1] ?? 0);
  const hidden = exitCode !== 0 && Number(failed) === 0 ? 1 : 0;
  return { passed: Number(passed), failed: Number(failed) + hidden, ignored };
}

/**
 * The counts of the rows of the fault table among the tests of a run: a line each, in which the runner says, too,
 * that a test has been running for long.
 */
export function readFaults(output: string): Counts {
  // deno-lint-ignore no-control-regex -- colours
  const text = output.replace(/\x1b\[[0-9;]*m/g, "");
  const line =
    /^(fault: .+) \.\.\.(?:\s*'.*' has been running for over \(.*\)\n)*\s*(ok|FAILED|ignored) \(/gm;
  const rows = new Map([...text.matchAll(line)].map(([, name, how]) => [name, how]));
  const count = (wanted: string) => [...rows.values()].filter((how) => how === wanted).length;
  return { passed: count("ok"), failed: count("FAILED"), ignored: count("ignored") };
}

export function sumCounts(counts: readonly Counts[]): Counts {
  return counts.reduce((sum, { passed, failed, ignored }) => ({
    passed: sum.passed + passed,
    failed: sum.failed + failed,
    ignored: sum.ignored + ignored,
  }), { passed: 0, failed: 0, ignored: 0 });
}

export interface Coverage {
  /** Percent of lines by file name. */
  readonly files: ReadonlyMap<string, number>;
  readonly total: number;
}

/** Lines found (`LF`) and hit (`LH`) of an lcov report, as percentages. */
export function coverageOfLines(lcov: string): Coverage {
  const files = new Map<string, number>();
  let found = 0;
  let hit = 0;
  for (const record of lcov.split("end_of_record")) {
    const file = /^SF:(.*)$/m.exec(record)?.[1];
    if (file === undefined) continue;
    const lines = Number(/^LF:(\d+)$/m.exec(record)?.[1] ?? 0);
    const lineHits = Number(/^LH:(\d+)$/m.exec(record)?.[1] ?? 0);
    files.set(file.slice(file.lastIndexOf("/") + 1), lines === 0 ? 100 : 100 * lineHits / lines);
    found += lines;
    hit += lineHits;
  }
  return { files, total: found === 0 ? 0 : 100 * hit / found };
}

/** The coverage as a table. */
export function formatCoverage({ files, total }: Coverage): string {
  const rows = [...files].toSorted(([a], [b]) => a < b ? -1 : 1).concat([["all of mod/", total]]);
  return ["lines run by the tests:"].concat(
    rows.map(([name, percent]) => `  ${name.padEnd(22)} ${percent.toFixed(1).padStart(5)} %`),
  ).join("\n");
}
