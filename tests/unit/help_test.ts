import assert from "node:assert/strict";
import { CONFIG } from "../../mod/variables.ts";
import { EXIT } from "../../mod/exit.ts";
import { helpText, parseVerb } from "../../mod/help.ts";

Deno.test("parseVerb() takes a word only where it is the first, a flag only alone", () => {
  const cases: [string[], ReturnType<typeof parseVerb>][] = [
    [["--help"], { verb: "help", args: ["--help"] }],
    [["-h"], { verb: "help", args: ["-h"] }],
    [["--version"], { verb: "version", args: ["--version"] }],
    [["-v"], { verb: "version", args: ["-v"] }],
    [["help"], { verb: "help", args: [] }],
    [["version"], { verb: "version", args: [] }],
    [[], undefined],
    [["--path", "help"], undefined],
    [["Help"], undefined],
    [["--help=true"], undefined],
    [["--help", "--path"], undefined],
    [["--path", "--help"], undefined],
    [["--help", "--help"], undefined],
    [["constructor"], undefined],
  ];
  for (const [args, expected] of cases) assert.deepEqual(parseVerb(args), expected, args.join(" "));
});

Deno.test("helpText() shows each variable with its default", () => {
  const text = helpText();
  const flowing = text.replace(/\s+/g, " ");
  for (const [name, { fallback, meaning }] of Object.entries(CONFIG)) {
    assert.ok(text.includes(`\n  ${name}${fallback === "-" ? "" : ` [${fallback}]`}\n`), name);
    assert.ok(flowing.includes(meaning.replaceAll("`", "")), name);
  }
  assert.equal(text.match(/^ {2}MNT_[A-Z_]+( \[.*\])?$/gm)!.length, Object.keys(CONFIG).length);
});

Deno.test("helpText() shows each exit code on both platforms", () => {
  const lines = helpText().split("\n").map((line) => line.trim().replace(/\s+/g, " "));
  for (const { host, gokrazy, when } of Object.values(EXIT)) {
    assert.ok(lines.includes(`${host} ${gokrazy} ${when.replaceAll("`", "")}`), when);
  }
});

Deno.test("helpText() is plain text that ends with a line end", () => {
  const text = helpText();
  assert.doesNotMatch(text, /[^ -~\n]|`|undefined|\[object| $/m);
  assert.ok(text.endsWith("\n"));
});
