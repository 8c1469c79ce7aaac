/**
 * Runs `deno test` for the tasks.
 *
 * @module
 */
import { type Counts, readCounts } from "./report.ts";

/** The runner as every task calls it: sanitizers on. */
export const TEST: readonly string[] = [
  Deno.execPath(),
  "test",
  "--quiet",
  "--allow-all",
  "--sanitize-ops",
  "--sanitize-resources",
  "--no-prompt",
];

/** Runs one `deno test`, shows what it prints, and reads the counts from its closing line. */
export async function runTests(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Counts & { readonly output: string }> {
  const [program, ...args] = command;
  const child = new Deno.Command(program!, { args, env, stdin: "null", stdout: "piped" }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    await Deno.stdout.write(new TextEncoder().encode(text));
  }
  return { ...readCounts(output, (await child.status).code), output };
}
