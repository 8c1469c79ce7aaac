/**
 * Raw bytes of `tests/testdata`, and how many inputs a property is tried with.
 *
 * @module
 */

/** Inputs a property; 20,000 and more with `PROPERTY_RUNS` where somebody hunts. */
export const RUNS = Number(Deno.env.get("PROPERTY_RUNS") ?? 2000);

const DIRECTORY = new URL("../testdata/", import.meta.url);

/** Bytes of a fixture by its name, such as `btrfs/single.bin`. */
export function fixtureBytes(name: string): Promise<Uint8Array> {
  return Deno.readFile(new URL(name, DIRECTORY));
}

/** Text of a fixture, read as the program reads it: bytes that are no UTF-8 become U+FFFD. */
export async function fixture(name: string): Promise<string> {
  return new TextDecoder().decode(await fixtureBytes(name));
}

/** Calls `parse`; its own error is fine, any other one is the test's failure. */
export function tolerate<T>(
  expected: abstract new (...args: never[]) => Error,
  parse: () => T,
): T | undefined {
  // The stack of an expected error costs a hundred times what the parser does.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parse();
  } catch (error) {
    // The very class: a SyntaxError of a JSON.parse would be one too, a TypeError never.
    if (error instanceof Error && error.constructor === expected) return undefined;
    throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
