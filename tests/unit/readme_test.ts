/** What README.md says is what the code does. */
import assert from "node:assert/strict";
import { fillReadme } from "../../dist/tasks/readme.ts";
import denoJson from "../../deno.json" with { type: "json" };

const README = await Deno.readTextFile(new URL("../../README.md", import.meta.url));

Deno.test("README.md has the tables of the code; deno task readme writes them", () => {
  // deno fmt sets the columns of a table; the words are what counts.
  const words = (text: string) => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");
  assert.equal(words(README), words(fillReadme(README)));
});

Deno.test("README.md names each dependency with its pinned version", () => {
  for (const specifier of Object.values(denoJson.imports)) {
    const [, name, version] = /^npm:(.+)@([^@]+)$/.exec(specifier)!;
    const row = new RegExp(`^\\| \`${name}\` +\\| ${version} +\\|`, "m");
    assert.match(README, row);
  }
});

Deno.test("README.md's commands are tasks of deno.json", () => {
  const tasks = [...README.matchAll(/(?:deno|deno@2\.9\.5) task ([a-z][a-z:_0-9]*)/g)].map((
    match,
  ) => match[1]!);
  assert.ok(tasks.length >= 5);
  for (const task of tasks) assert.ok(task in denoJson.tasks, task);
});
