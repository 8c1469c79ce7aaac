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

/** Machine, kernel, runtime, commit and date in one line. */
export async function machine(): Promise<string> {
  const cpu = /^model name\s*: (.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ??
    "unknown";
  const commit = new TextDecoder().decode(
    (await new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], stderr: "null" })
      .output())
      .stdout,
  ).trim();
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit || "unknown"}; ${cpu}, ` +
    `${navigator.hardwareConcurrency} cores; Linux ${Deno.osRelease()} ${Deno.build.arch}; ` +
    `Deno ${Deno.version.deno}, script engine.`;
}
