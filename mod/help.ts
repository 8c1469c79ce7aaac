/**
 * The text of `--help`, made from the tables.
 *
 * @module
 */
import { CONFIG, type Variable } from "./config.ts";
import { EXIT } from "./exit.ts";

/** Words that ask for help or version when they are the only argument. */
export type Verb = "help" | "version";

/** The verb of a command line; every other one is rest-server's. */
export function parseVerb(args: readonly string[]): Verb | undefined {
  if (args.length !== 1) return undefined;
  if (args[0] === "--help" || args[0] === "-h") return "help";
  if (args[0] === "--version" || args[0] === "-v") return "version";
  return undefined;
}

function wrap(text: string, width: number, indent: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => indent + line).join("\n");
}

function variableText([name, variable]: [string, Variable<unknown>]): string {
  const fallback = variable.fallback === "-" ? "" : ` [${variable.fallback}]`;
  return `  ${name}${fallback}\n${wrap(variable.meaning.replaceAll("`", ""), 70, "      ")}`;
}

function exitLines(): string {
  const rows = Object.values(EXIT).map(({ host, gokrazy, when }) =>
    [String(host), String(gokrazy), when.replaceAll("`", "")] as const
  );
  const all = [
    ["0", "128+n", "stopped by SIGTERM or SIGINT, all clean"],
    ["n", "n", "rest-server ended by itself with n (0 and 125 become 75 on gokrazy)"],
    ["128+n", "128+n", "rest-server killed by signal n (137 if it did not stop in time)"],
    ...rows,
  ];
  return all.map(([host, gokrazy, when]) => `  ${host!.padEnd(8)}${gokrazy!.padEnd(9)}${when}`)
    .join("\n");
}

/** The whole help, less rest-server's own. */
export function helpText(): string {
  return `restic-rest-server mounts a disk, runs restic's rest-server on it, and takes both down in order.

Usage:
  MNT_SOURCE=... MNT_TARGET=... restic-rest-server [rest-server flags]

Every argument belongs to rest-server. The wrapper is configured by variables
alone; what stands in [ ] holds where one is unset or empty:

${Object.entries(CONFIG).map(variableText).join("\n")}

Exit codes:
  host    gokrazy  when
${exitLines()}
`;
}
