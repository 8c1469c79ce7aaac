/**
 * The record of test runs and figures in tests/bench/gokrazy.md: text in, text out, and one write.
 *
 * @module
 */
import { runCommand } from "../../../dist/tools/command.ts";
import { markdownTable } from "../../bench/figures.ts";

const FILE = new URL("../../bench/gokrazy.md", import.meta.url).pathname;
const TITLE = "# Measured on booted gokrazy systems\n";

/** One test as the runner reported it. */
export interface Result {
  readonly name: string;
  readonly result: "ok" | "FAILED" | "ignored";
  /** As the runner printed it: `1m13s`. */
  readonly time: string;
}

/** The results in what `deno test` printed: a name can stand on another line than its result. */
export function parseResults(output: string): Result[] {
  const lines = output.matchAll(/^(.+?) \.\.\. (ok|FAILED|ignored)(?: \(.*?\))? \((\S+)\)$/gm);
  return [...lines].map(([, name, result, time]) => ({
    name: name!,
    result: result as Result["result"],
    time: time!,
  }));
}

/** The runs side by side, a row a scenario. */
export function formatRuns(runs: readonly (readonly Result[])[]): string {
  const names = [...new Set(runs.flat().map(({ name }) => name))];
  const cell = (run: readonly Result[], wanted: string) => {
    const found = run.find(({ name }) => name === wanted);
    return found === undefined ? "-" : `${found.result} ${found.time}`;
  };
  return markdownTable(
    ["scenario", ...runs.map((_, i) => `run ${i + 1}`)],
    names.map((name) => [name, ...runs.map((run) => cell(run, name))]),
  );
}

/** Puts a section in place of that with the same heading, or at the end. */
export function replaceSection(markdown: string, heading: string, body: string): string {
  const parts = (markdown === "" ? TITLE : markdown).split(/^(?=## )/m);
  const section = `## ${heading}\n\n${body.trim()}\n`;
  const at = parts.findIndex((part) => part.startsWith(`## ${heading}\n`));
  if (at === -1) parts.push(section);
  else parts[at] = section;
  return parts.map((part) => part.trim()).join("\n\n") + "\n";
}

/** Writes a section of tests/bench/gokrazy.md. */
export async function writeSection(heading: string, body: string): Promise<void> {
  const text = await Deno.readTextFile(FILE).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return "";
  });
  await Deno.writeTextFile(FILE, replaceSection(text, heading, body));
  await runCommand(Deno.execPath(), ["fmt", "--quiet", FILE]);
}
