import assert from "node:assert/strict";
import { manualPage } from "../../dist/tasks/man.ts";
import { CONFIG } from "../../mod/variables.ts";
import { exitRows, VERBS } from "../../mod/help.ts";

Deno.test("the manual page is that of the tables; deno task man writes it", async () => {
  const page = new URL("../../dist/man/restic-rest-server.8", import.meta.url);
  assert.equal(await Deno.readTextFile(page), manualPage());
});

Deno.test("the manual page has every variable, verb and exit code", () => {
  const page = manualPage().replaceAll("\\-", "-");
  const terms = [...page.matchAll(/^\.TP\n\\fB(.*?)\\fR/gm)].map(([, term]) => term);
  const wanted = [
    ...Object.keys(CONFIG),
    ...Object.keys(VERBS),
    ...exitRows().map(({ host }) => host),
  ];
  for (const term of wanted) assert.ok(terms.includes(term), term);
});

Deno.test("the manual page has no line that troff would take for a request of its own", () => {
  for (const line of manualPage().split("\n")) {
    if (line.startsWith(".")) assert.match(line, /^\.(TH|SH|TP|PP|B|BR|RI|nh|ad|\\")\b|^\.\\"/);
    assert.doesNotMatch(line, /^'|[^ -~]/);
  }
});
