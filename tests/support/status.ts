/**
 * The verb `status`, asked as anybody would.
 *
 * @module
 */
import assert from "node:assert/strict";
import schema from "../../dist/schema/status.schema.json" with { type: "json" };
import type { statusReport } from "../../mod/status_text.ts";
import { schemaFaults } from "./schema.ts";
import { until } from "./wait.ts";
import { startWrapper, type WrapperOptions } from "./wrapper.ts";

/** What one question got. */
export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Asks; the directory of the status files is found as the program finds it. */
export async function askStatus(options: Partial<WrapperOptions> = {}): Promise<Answer> {
  const { args = [], ...rest } = options;
  await using asked = startWrapper({ ...rest, args: ["status", ...args] });
  const code = await asked.code();
  return { code, out: asked.outLines.join("\n"), err: asked.errLines.join("\n") };
}

export type Report = ReturnType<typeof statusReport>;

/** Asks with `--json`; the answer is held against its schema, and the exit code against the answer. */
export async function askReport(options: Partial<WrapperOptions> = {}): Promise<Report> {
  const { code, out, err } = await askStatus({ ...options, args: ["--json"] });
  assert.equal(err, "");
  const report = JSON.parse(out) as Report;
  assert.deepEqual(schemaFaults(schema, report), []);
  assert.equal(code, report.serving ? 0 : 69);
  return report;
}

/** Asks again and again until the one run that is asked about is as it should be. */
export async function untilRun(
  options: Partial<WrapperOptions>,
  is: (run: Report["instances"][number]) => boolean,
): Promise<Report["instances"][number]> {
  let last: Report | undefined;
  return await until(async () => {
    last = await askReport(options);
    return last.instances.find(is);
  }, "the status that is awaited").catch((error) => {
    throw new Error(JSON.stringify(last, null, 2), { cause: error });
  });
}

/** Removes what runs on targets below a directory left that ended uncleanly: by the ends of the names. */
export async function forgetRuns(
  directory: string,
  ...ends: readonly (".status" | ".lock")[]
): Promise<void> {
  const run = "/run/restic-rest-server";
  const start = encodeURIComponent(`${directory}/`);
  for (const { name } of await Array.fromAsync(Deno.readDir(run)).catch(() => [])) {
    const isLeft = name.startsWith(start) && ends.some((end) => name.endsWith(end));
    if (isLeft) await Deno.remove(`${run}/${name}`);
  }
}
