/**
 * The text of `--help`, made from the tables.
 *
 * @module
 */
import { EXIT } from "./exit.ts";
import { CONFIG, type Variable } from "./variables.ts";

/** What is asked for in place of serving, in the order of the help. */
export type Verb = "check" | "status" | "help" | "version";

/** What may follow a verb, and what it does: it feeds the help and the manual page. */
export const VERBS: Readonly<Record<Verb, { readonly follows: string; readonly does: string }>> = {
  check: {
    follows: "[--json] [rest-server flags]",
    does:
      "says what a start would find, and changes nothing: 0 all is fine, 69 the disk cannot be " +
      "mounted now, 78 something must be changed (on gokrazy, too)",
  },
  status: {
    follows: "[--json]",
    does:
      "says what runs of this program are there, and whether they serve: 0 all of them, 69 not, " +
      "78 wrong arguments or variables; MNT_TARGET picks one",
  },
  help: {
    follows: "",
    does: "shows a summary of the manual page, then rest-server's own help; also --help, -h",
  },
  version: { follows: "", does: "shows the versions of both programs; also --version, -v" },
};

/** Flags that are verbs where they are the only argument, as rest-server has them. */
const FLAGS: Readonly<Record<string, Verb>> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-v": "version",
};

/** A verb, and the arguments after it; of a flag, the flag itself. */
export interface Command {
  readonly verb: Verb;
  readonly args: readonly string[];
}

/** The verb of a command line; every other one is rest-server's, which takes no positional words. */
export function parseVerb(args: readonly string[]): Command | undefined {
  const [first, ...rest] = args;
  if (first !== undefined && Object.hasOwn(VERBS, first)) {
    return { verb: first as Verb, args: rest };
  }
  const flag = rest.length === 0 && first !== undefined && Object.hasOwn(FLAGS, first);
  return flag ? { verb: FLAGS[first]!, args: [first] } : undefined;
}

/** Lines of at most `width` characters, each behind `indent`; a longer word has a line of its own. */
export function wrap(text: string, width: number, indent: string): string {
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

/** Every exit code, in words: the table of the help and of the README. */
export function exitRows(): { host: string; gokrazy: string; when: string }[] {
  return [
    { host: "0", gokrazy: "128+n", when: "stopped by SIGTERM or SIGINT (signal n), all clean" },
    {
      host: "n",
      gokrazy: "n",
      when: "rest-server ended by itself with n (0 and 125 become 75 on gokrazy)",
    },
    {
      host: "128+n",
      gokrazy: "128+n",
      when: "rest-server killed by signal n (137 if it did not stop in time)",
    },
    ...Object.values(EXIT).map(({ host, gokrazy, when }) => ({
      host: String(host),
      gokrazy: String(gokrazy),
      when,
    })),
  ];
}

function verbText([verb, { follows, does }]: [string, typeof VERBS[Verb]]): string {
  return `  restic-rest-server ${`${verb} ${follows}`.trim()}\n${wrap(does, 70, "      ")}`;
}

function exitLines(): string {
  return exitRows().map(({ host, gokrazy, when }) =>
    `  ${host.padEnd(8)}${gokrazy.padEnd(9)}${when.replaceAll("`", "")}`
  ).join("\n");
}

/** The whole help, less rest-server's own. */
export function helpText(): string {
  return `restic-rest-server mounts a disk, runs restic's rest-server on it, and takes both down in order.

Usage:
  MNT_SOURCE=... MNT_TARGET=... restic-rest-server [rest-server flags]
${Object.entries(VERBS).map(verbText).join("\n")}

Every argument belongs to rest-server. The wrapper is configured by variables
alone; what stands in [ ] holds where one is unset or empty:

${Object.entries(CONFIG).map(variableText).join("\n")}

Exit codes:
  host    gokrazy  when
${exitLines()}
`;
}
