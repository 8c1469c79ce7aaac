import assert from "node:assert/strict";
import { sectorsWritten } from "../../mod/watch.ts";

Deno.test("sectorsWritten() takes field 7 of the kernel's block/stat.rst", () => {
  const cases: [string, string | undefined][] = [
    ["     1        2      3     4     5   6   77   8   9   10   11   0 0 0 0 0 0\n", "77"],
    ["1 2 3 4 5 6 18446744073709551615 8", "18446744073709551615"],
    ["1 2 3 4 5 6\n", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(sectorsWritten(text), expected);
});
