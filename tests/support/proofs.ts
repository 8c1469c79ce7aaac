/**
 * The figures of counted proofs, and the report that is made of them.
 *
 * @module
 */

/** How one proof went. */
export interface ProofResult {
  readonly name: string;
  /** Rounds that were asked for. */
  readonly count: number;
  /** Rounds that held. */
  readonly done: number;
  readonly failure: string | null;
  readonly seconds: number;
  readonly seed: number;
}

/** Where it was run. */
export interface Surroundings {
  readonly machine: string;
  readonly kernel: string;
  readonly programs: string;
  readonly commit: string;
  readonly date: string;
  /** Of the high counts, from 0 to 1. */
  readonly part: number;
}

/** Adds one result, a line of JSON, to a file. */
export async function appendProof(path: string, result: ProofResult): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(result)}\n`, { append: true });
}

/** The results of a file, in the order in which they came. */
export function parseProofs(text: string): ProofResult[] {
  return text.split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line) as ProofResult
  );
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return `${(seconds / 60).toFixed(1)} min`;
}

/** The report, as Markdown. */
export function formatReport(results: readonly ProofResult[], where: Surroundings): string {
  const rows = results.map(({ name, count, done, failure, seconds, seed }) =>
    `| ${name.replaceAll("|", "\\|")} | ${count} | ${done} | ${
      failure === null ? "0" : `1: ${failure.replaceAll("|", "\\|")}`
    } | ${duration(seconds)} | ${seed} |`
  );
  const share = where.part === 1
    ? "the high counts"
    : where.part === 0
    ? "CI's counts"
    : `${where.part} of the high counts, and never fewer than CI's`;
  return [
    "# Reliability",
    "",
    "Written by `deno task soak`: counted proofs against the real program, the real rest-server and restic,",
    "and real file systems on loop devices. A proof ends at its first failure.",
    "",
    `- machine: ${where.machine}`,
    `- kernel: ${where.kernel}`,
    `- programs: ${where.programs}`,
    `- commit: ${where.commit}`,
    `- date: ${where.date}`,
    `- counts: ${share}`,
    "",
    "| proof | asked | held | failures | time | TEST_SEED |",
    "| --- | ---: | ---: | --- | ---: | ---: |",
    ...rows,
    "",
  ].join("\n");
}
