/**
 * Figures and their tables.
 *
 * @module
 */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Median of milliseconds, with one decimal. */
export function ms(values: readonly number[]): string {
  return median(values).toFixed(1);
}

export function mb(kilobytes: number): string {
  return `${(kilobytes / 1024).toFixed(1)} MB`;
}

export function markdownTable(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The commit that is measured. */
export async function commitName(): Promise<string> {
  const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], stderr: "null" });
  return new TextDecoder().decode((await git.output()).stdout).trim() || "unknown";
}

/** Date, machine, kernel and runtime in one line. */
export async function place(): Promise<string> {
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ??
    "unknown";
  return `${new Date().toISOString().slice(0, 10)}; ${cpu}, ` +
    `${navigator.hardwareConcurrency} cores; Linux ${Deno.osRelease()} ${Deno.build.arch}; ` +
    `Deno ${Deno.version.deno}, script engine`;
}

/** {@linkcode place} and {@linkcode commitName} in one line. */
export async function machine(): Promise<string> {
  return `${await place()}; commit ${await commitName()}.`;
}
