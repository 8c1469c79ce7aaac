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

Deno.test("eagerModules() names what is loaded at the start, not what is imported late", () => {
  const text = [
    'import util from "node:util";',
    'import { a, b } from "node:fs";',
    'import "node:os";',
    'const { parseEnv } = await import("node:util/types");',
    '// import x from "y";',
    'var a=1;import{a as b,$c}from"node:path";import*as d from"node:net";import"node:dns";f(import("e"));',
  ].join("\n");
  assert.deepEqual(
    eagerModules(text),
    ["node:util", "node:fs", "node:os", "node:path", "node:net", "node:dns"],
  );
});

Deno.test("starterText() is a first line with one argument, as the kernel takes it, and one import", () => {
  assert.equal(starterText("/bin/deno", '/a "b".js'), '#!/bin/deno -A\nimport "/a \\"b\\".js";\n');
});
