/**
 * Text for a terminal: in colours where it has them, and never driving it.
 *
 * @module
 */

/** Characters that would break a line, colour a terminal or turn what follows from right to left. */
// deno-lint-ignore no-control-regex -- they are what is meant
const CONTROL = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const hexOf = (character: string, digits: number) =>
  character.charCodeAt(0).toString(16).padStart(digits, "0");

/** One line that drives no terminal, whatever a path or a label holds. */
export function escape(text: string): string {
  return text.replace(
    CONTROL,
    (character) =>
      NAMED[character] ??
        (character < "\u0100" ? `\\x${hexOf(character, 2)}` : `\\u${hexOf(character, 4)}`),
  );
}

/** JSON that drives no terminal, either, and means the same: `JSON.stringify` escapes no more than it must. */
export function escapeJson(json: string): string {
  return json.replace(CONTROL, (found) => found === "\n" ? found : `\\u${hexOf(found, 4)}`);
}

/** What is known of a terminal. */
export interface TerminalFacts {
  readonly terminal: boolean;
  /** `$NO_COLOR`: no colours where it is set and not empty. */
  readonly noColor: string | undefined;
  /** `$TERM`: `dumb`, or none, is a terminal that may show colours as rubbish. */
  readonly term: string | undefined;
}

/** Whether text may be coloured. */
export function hasColours({ terminal, noColor, term }: TerminalFacts): boolean {
  return terminal && !noColor && !!term && term !== "dumb";
}

/** The same of a stream, where the environment says the rest. */
export function takesColours(
  terminal: boolean,
  environment: Readonly<Record<string, string>>,
): boolean {
  return hasColours({ terminal, noColor: environment["NO_COLOR"], term: environment["TERM"] });
}

/** Escape codes of ECMA-48, see console_codes(4). */
const COLOURS = { red: "1;31", green: "32", yellow: "33", cyan: "36", bold: "1", faint: "2" };

/** Colours a text, or leaves it as it is. */
export type Paint = (colour: keyof typeof COLOURS, text: string) => string;

export function painter(colours: boolean): Paint {
  return (colour, text) => colours ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}
