/**
 * Passwords, which never appear: not in the log, the status, an error or a lock file.
 *
 * @module
 */

/**
 * Options of a mount whose values are for nobody's eyes: `password=` and `cred=` of cifs, `secretfile=` of
 * ceph; and variables that somebody took for such options: `MNT_PASSWORD`.
 */
const NAME = String.raw`(?:MNT_)?(?:pass|cred|secret)[\w.-]*`;

/** In mount data: up to the next comma outside quotes; cifs takes two for one of the password. */
const OPTION = new RegExp(String.raw`((?:^|,)\s*${NAME}\s*=)((?:,,|"[^"]*"?|[^,"])+)`, "gi");

/** The same in a sentence, as of the kernel, where a blank or a quote ends it, too; one that is hidden already stays. */
const IN_TEXT = new RegExp(
  String.raw`((?<![\w.-])${NAME}\s?=)(?!\*{3}:?(?:\s|$))("[^"]*"?|'[^']*'?|(?:,,|[^,\s"';|])+)`,
  "gi",
);

const MASK = "***";

/** Mount data as it may be shown: `user=me,password=***`. */
export function maskSecrets(data: string): string {
  return data.replace(OPTION, `$1${MASK}`);
}

/**
 * The password of `//user:password@server/share`, `https://user:password@server` and
 * `user:password@server:/export`, which goes up to the last `@`, with what stands before it. An export such
 * as `server:/@snapshot` has none.
 */
function splitUrl(text: string): { before: string; secret: string } | null {
  const at = text.lastIndexOf("@");
  const head = text.slice(0, Math.max(0, at));
  const [, before, secret] = /^(.*?\/\/[^:/@]*:)(.+)$/s.exec(head) ??
    /^((?:.*?[=,(])??[^:/@=,(]+:)([^/].*)$/s.exec(head) ?? [];
  return before === undefined || secret === undefined ? null : { before, secret };
}

function maskUrl(word: string): string {
  const parts = splitUrl(word);
  if (parts === null) return word;
  return `${parts.before}${MASK}${word.slice(parts.before.length + parts.secret.length)}`;
}

/** The password that a URL can have: up to the last `@`, and up to one that a server's name follows. */
function urlSecrets(url: string): string[] {
  const longest = splitUrl(url)?.secret;
  if (longest === undefined) return [];
  const ends = [...longest.matchAll(/@(?=[\[\w.-]+\]?(?:[:/]|$))/g)].map(({ index }) => index);
  return [longest, ...ends.map((end) => longest.slice(0, end))];
}

/** Shorter ones are hidden where their place gives them away, and not wherever they stand. */
const KNOWN_MIN_LENGTH = 4;

/**
 * The secrets in values of the configuration, to be hidden wherever they turn up.
 *
 * @param values of variables and arguments, as they came.
 */
export function findSecrets(values: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const value of values) {
    const options = [OPTION, IN_TEXT].flatMap((pattern) => [...value.matchAll(pattern)])
      .map(([, , secret = ""]) => secret.trim());
    for (const secret of [...options, ...urlSecrets(value)]) {
      const bare = secret.replace(/^"([^"]*)"$/, "$1");
      // As it came, as the file system takes it, and as it stands in quotes, also in those of a shell.
      for (const form of [secret, bare, bare.replaceAll(",,", ",")]) {
        found.add(form).add(JSON.stringify(form).slice(1, -1)).add(form.replaceAll("'", "'\\''"));
      }
    }
  }
  // The longest first: one can be part of another.
  return [...found].filter((secret) => secret.length >= KNOWN_MIN_LENGTH)
    .toSorted((a, b) => b.length - a.length);
}

/** The secrets of a configuration; one of a variable can be told by the variable's name alone. */
export function secretsOf(
  variables: Iterable<readonly [name: string, value: string]>,
  args: readonly string[],
): string[] {
  const texts = Array.from(variables, ([name, value]) => [value, `${name}=${value}`]);
  return findSecrets([...texts.flat(), ...args]);
}

/**
 * Any text without its secrets: those that are known, and what looks like one: the value of `pass...=`,
 * `cred...=` and `secret...=`, and the password of a URL.
 *
 * @param known from {@linkcode findSecrets}.
 */
export function hideSecrets(text: string, known: readonly string[] = []): string {
  let shown = text;
  for (const secret of known) shown = shown.replaceAll(secret, MASK);
  // The way to serving says a line or two: most need none of these expressions compiled.
  if (shown.includes("=")) shown = shown.replace(IN_TEXT, `$1${MASK}`);
  return shown.includes("@") ? shown.replace(/[^\s"']+/g, maskUrl) : shown;
}

/** A value that may be shown alone, such as a source of mount(2), without the secrets in it. */
export function hideOwnSecrets(value: string): string {
  return hideSecrets(value, findSecrets([value]));
}
