/**
 * The options that a kernel is asked for, and whether Kconfig took them: text in, data out.
 *
 * @module
 */

/** `CONFIG_BTRFS_FS=y` is `{ name: "CONFIG_BTRFS_FS", value: "y" }`; `# CONFIG_X is not set` has the value "n". */
export interface Option {
  readonly name: string;
  /** As it stands in the file: `y`, `n`, a number, or a string in its double quotes. */
  readonly value: string;
}

const SET = /^(CONFIG_\w+)=(\S.*?)\s*$/;
const UNSET = /^# (CONFIG_\w+) is not set\s*$/;

/** The option that a line of a `.config` sets or unsets; undefined for a comment or an empty line. */
function parseLine(line: string): Option | undefined {
  const set = SET.exec(line);
  if (set !== null) return { name: set[1]!, value: set[2]! };
  const unset = UNSET.exec(line);
  if (unset !== null) return { name: unset[1]!, value: "n" };
}

/**
 * Parses a config fragment, the input of the kernel's `scripts/kconfig/merge_config.sh`.
 *
 * @throws {SyntaxError} that names the line, for one that is neither an option nor a comment, and for an
 * option that is named twice: merge_config.sh would pass over the one and let the last of the others win.
 */
export function parseFragment(text: string): Option[] {
  const options = new Map<string, Option>();
  for (const [index, line] of text.split("\n").entries()) {
    const option = parseLine(line);
    const where = `Cannot parse kernel options: line ${index + 1}`;
    if (option === undefined) {
      if (line.trim() === "" || line.startsWith("#")) continue;
      throw new SyntaxError(`${where} is neither an option nor a comment: "${line}"`);
    }
    if (options.has(option.name)) throw new SyntaxError(`${where} names ${option.name} again`);
    options.set(option.name, option);
  }
  return [...options.values()];
}

/** An option of the fragment that came out otherwise. */
export interface Rejected extends Option {
  /** What `.config` has in its place; undefined: it does not stand there, as for a name that is no more. */
  readonly got: string | undefined;
}

/**
 * The options that Kconfig did not take, by the finished `.config`: one that lacks what it depends on, or
 * whose name this kernel does not know, is dropped there without an error.
 */
export function rejectedOptions(fragment: readonly Option[], config: string): Rejected[] {
  const got = new Map<string, string>();
  for (const line of config.split("\n")) {
    const option = parseLine(line);
    if (option !== undefined) got.set(option.name, option.value);
  }
  return fragment
    .filter(({ name, value }) => (got.get(name) ?? "n") !== value)
    .map((option) => ({ ...option, got: got.get(option.name) }));
}

/** The error for a kernel that would not be the one that was asked for. */
export function rejectedText(rejected: readonly Rejected[], file: string): string {
  const lines = rejected.map(({ name, value, got }) =>
    `  ${name}=${value}: ${got === undefined ? "this kernel leaves it out" : `it is ${got}`}`
  );
  return `Cannot configure the kernel as "${file}" says: ${rejected.length} ` +
    `${rejected.length === 1 ? "option was" : "options were"} not taken\n${lines.join("\n")}\n` +
    `Name what they depend on too ("depends on" in the Kconfig file that defines them), or take them out`;
}
