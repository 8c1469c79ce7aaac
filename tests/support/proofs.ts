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
  /** What brings the random choices back; `null` where there were none. */
  readonly seed: number | null;
  /** What was measured on the way. */
  readonly measured?: string;
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

const COLUMNS = ["proof", "asked", "held", "failures", "time", "TEST_SEED", "commit", "measured"];

/** A result, and where it was measured. */
export interface RecordedProof extends ProofResult {
  /** Machine, kernel, runtime and date in one line. */
  readonly where: string;
  readonly commit: string;
}

/** The record with new results in place of those of the same proofs; the order stays. */
export function mergeProofs(
  recorded: readonly RecordedProof[],
  results: readonly RecordedProof[],
): RecordedProof[] {
  const merged = new Map([...recorded, ...results].map((proof) => [proof.name, proof]));
  return [...merged.values()];
}

/** The report, as Markdown. */
export function formatReport(proofs: readonly RecordedProof[]): string {
  const rows = proofs.map((proof) => [
    proof.name,
    String(proof.count),
    String(proof.done),
    proof.failure === null ? "0" : `1: ${proof.failure.replaceAll("|", "\\|")}`,
    duration(proof.seconds),
    proof.seed === null ? "-" : String(proof.seed),
    proof.commit,
    proof.measured ?? "",
  ]);
  const places = [...new Set(proofs.map(({ where }) => where))];
  return `# Reliability

Written by \`deno task soak\` from reliability.json, which keeps the last run of each proof: counted proofs with the
real program, the real rest-server and restic, and real file systems on loop devices or, in a booted gokrazy, on USB
disks. Each ends at its first failure, also where a byte was written below a mount point: that is compared before
and after each. "bytes outside the disk" runs in a fake root, and compares all of it. The machine is shared, and
other programs ran beside it: the times say little.

${places.map((place) => `- ${place}`).join("\n")}

${markdownTable(COLUMNS, rows)}
`;
}
