/**
 * Input for fuzzing: real text, broken in the ways in which text breaks.
 *
 * @module
 */
import type { Random } from "./soak.ts";

/** Longer input only costs time. */
const MAX_LENGTH = 2000;

/** One character that parsers care about, or any one. */
function character(random: Random): string {
  switch (random.below(4)) {
    case 0:
      return random.pick([..."\0\n\r\t \"'\\=:,;#-/."]);
    case 1:
      return String.fromCharCode(0x20 + random.below(0x5f));
    case 2:
      return String.fromCodePoint(random.below(0x110000));
    default:
      // Half of a surrogate pair, too.
      return String.fromCharCode(random.below(0x10000));
  }
}

function mutateOnce(
  text: string,
  corpus: readonly string[],
  words: readonly string[],
  random: Random,
) {
  const at = random.below(text.length + 1);
  const length = random.below(Math.min(40, text.length - at) + 1);
  const rest = text.slice(at + length);
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at) + rest;
    case 1:
      return text.slice(0, at) + character(random) + text.slice(at);
    case 2:
      return text.slice(0, at) + random.pick(words) + text.slice(at);
    case 3: // The same once more, or many times.
      return text.slice(0, at) + text.slice(at, at + length).repeat(2 + random.below(20)) + rest;
    case 4: {
      const other = random.pick(corpus);
      return text.slice(0, at) + other.slice(random.below(other.length + 1));
    }
    default:
      return text.slice(0, at) + character(random) + rest;
  }
}

/** A piece of the corpus with up to eight faults; sometimes with none. */
export function mutate(
  corpus: readonly string[],
  words: readonly string[],
  random: Random,
): string {
  let text = random.pick(corpus);
  for (let faults = random.below(9); faults > 0; faults--) {
    text = mutateOnce(text, corpus, words, random).slice(0, MAX_LENGTH);
  }
  return text;
}
