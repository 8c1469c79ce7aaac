/** The bundle and its starter, as text. */
import assert from "node:assert/strict";
import { eagerModules, finishBundle, starterText } from "../../dist/gokrazy/bundle.ts";

Deno.test("finishBundle() makes it run although another file is the main module", () => {
  const text = "const a = 1;\nif (import.meta.main) Deno.exit(0);\n";
  assert.equal(finishBundle(text), "const a = 1;\nif (true) Deno.exit(0);\n");
});

for (const times of [0, 2]) {
  Deno.test(`finishBundle() refuses a bundle with import.meta.main ${times} times`, () => {
    assert.throws(() => finishBundle("import.meta.main;".repeat(times)), /not once/);
  });
}

Deno.test("finishBundle() takes the folders of this machine out of comments and names", () => {
  const text = [
    "// ../../home/me/.cache/deno/npm/registry.example/@logtape/logtape/2.4.2/dist/mod.js",
    "var init = __esm({",
    '  "../../home/me/.cache/deno/npm/registry.example/@logtape/logtape/2.4.2/dist/mod.js"() {',
    "import.meta.main",
    '  const kept = "see /npm/x/y";',
  ].join("\n");
  assert.deepEqual(finishBundle(text).split("\n"), [
    "// npm:@logtape/logtape/2.4.2/dist/mod.js",
    "var init = __esm({",
    '  "npm:@logtape/logtape/2.4.2/dist/mod.js"() {',
    "true",
    '  const kept = "see /npm/x/y";',
  ]);
});

Deno.test("eagerModules() names what is loaded at the start, not what is imported late", () => {
  const text = [
    'import util from "node:util";',
    'import { a, b } from "node:fs";',
    'import "node:os";',
    'const { parseEnv } = await import("node:util/types");',
    '// import x from "y";',
  ].join("\n");
  assert.deepEqual(eagerModules(text), ["node:util", "node:fs", "node:os"]);
});

Deno.test("starterText() is a first line with one argument, as the kernel takes it, and one import", () => {
  assert.equal(starterText("/bin/deno", '/a "b".js'), '#!/bin/deno -A\nimport "/a \\"b\\".js";\n');
});
