/**
 * `deno task readme`: writes the tables of README.md anew from the tables of the code.
 *
 * @module
 */
import { COMMON, type EventRow, EVENTS, type FactRow, FACTS } from "../../mod/events.ts";
import { exitRows } from "../../mod/help.ts";
import { HINTS } from "../../mod/hints.ts";
import { CONFIG, type Variable } from "../../mod/variables.ts";

const README = new URL("../../README.md", import.meta.url);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The table of variables. */
export function variablesTable(): string {
  const rows = Object.entries<Variable<unknown>>(CONFIG).map((
    [name, { fallback, takes, meaning }],
  ) => [`\`${name}\``, fallback, `${meaning} (takes ${takes})`]);
  return table(["variable", "default", "meaning"], rows);
}

/** The table of exit codes. */
export function exitTable(): string {
  return table(
    ["when", "host", "gokrazy"],
    exitRows().map(({ when, host, gokrazy }) => [when, host, gokrazy]),
  );
}

/** The table of what keeps a disk from being mounted: the rows of which there is more to say. */
export function hintsTable(): string {
  const rows = new Map(
    HINTS.flatMap(({ because, readme }) =>
      readme === undefined ? [] : [[`\`${because.replace(/\{\w+\}/g, "...")}\``, readme] as const]
    ),
  );
  return table(["the line says", "what to know, what to do"], [...rows]);
}

/** The table of the kinds of lines of the log. */
export function eventsTable(): string {
  const rows = Object.entries<EventRow>(EVENTS).map((
    [name, { when, facts }],
  ) => [`\`${name}\``, when, facts.map((fact) => `\`${fact}\``).join(", ")]);
  return table(["event", "when", "facts"], rows);
}

/** The table of the facts of a line. */
export function factsTable(): string {
  const common = new Set<string>(COMMON);
  const rows = Object.entries<FactRow>(FACTS)
    .toSorted(([a], [b]) => Number(common.has(b)) - Number(common.has(a)))
    .map(([name, { type, meaning }]) => [`\`${name}\``, type, meaning]);
  return table(["fact", "type", "meaning"], rows);
}

/**
 * Puts the tables between their marks, `<!-- variables -->` and `<!-- end -->`.
 *
 * @throws {Error} where a mark is missing.
 */
export function fillReadme(text: string): string {
  const tables = {
    "variables": variablesTable(),
    "exit codes": exitTable(),
    "hints": hintsTable(),
    "events": eventsTable(),
    "facts": factsTable(),
  };
  for (const [name, content] of Object.entries(tables)) {
    const mark = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- end -->)`);
    if (!mark.test(text)) {
      throw new Error(`Cannot write the table "${name}": README.md has no mark for it`);
    }
    text = text.replace(mark, (_, start, end) => `${start}\n${content}\n\n${end}`);
  }
  return text;
}

if (import.meta.main) await Deno.writeTextFile(README, fillReadme(await Deno.readTextFile(README)));
