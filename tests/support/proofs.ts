/**
 * The figures of counted proofs, and the report that is made of them.
 *
 * @module
 */

import { markdownTable } from "../bench/figures.ts";

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

/** The report, as Markdown; `part` of the high counts was asked for, from 0 to 1. */
export function formatReport(
  results: readonly ProofResult[],
  machine: string,
  part: number,
): string {
  const counts = part === 1
    ? "the high ones"
    : `${part} of the high ones, and never fewer than those of \`deno task test\``;
  const rows = results.map(({ name, count, done, failure, seconds, seed }) => [
    name,
    String(count),
    String(done),
    failure === null ? "0" : `1: ${failure.replaceAll("|", "\\|")}`,
    duration(seconds),
    String(seed),
  ]);
  return `# Reliability

Written by \`deno task soak\`: counted proofs with the real program, the real rest-server and restic, and real
file systems on loop devices. Each ends at its first failure. Where the machine is shared, the times say little.

${machine}

Counts: ${counts}.

${markdownTable(["proof", "rounds asked", "rounds held", "failures", "time", "TEST_SEED"], rows)}
`;
}
