import assert from "node:assert/strict";
import { manualPage } from "../../dist/tasks/man.ts";
import { CONFIG } from "../../mod/variables.ts";
import { exitRows, VERBS } from "../../mod/help.ts";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";

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

Deno.test("the manual page has each exit code once, and says what every signal does", () => {
  const page = manualPage().replaceAll("\\-", "-");
  const [, codes = ""] = /^\.SH EXIT STATUS\n([^]*?)^\.SH/m.exec(page) ?? [];
  const terms = [...codes.matchAll(/^\.TP\n(.*)/gm)].map(([, term]) => term);
  assert.deepEqual(terms, [...new Set(terms)]);
  const [, signals = ""] = /^\.SH SIGNALS\n([^]*?)^\.SH/m.exec(page) ?? [];
  for (const name of [...FORWARDED_SIGNALS.map(({ name }) => name), "SIGUSR1"]) {
    assert.ok(signals.includes(`\\fB${name}\\fR`), name);
  }
});

Deno.test("the manual page has no line that troff would take for a request of its own", () => {
  for (const line of manualPage().split("\n")) {
    if (line.startsWith(".")) {
      assert.match(line, /^\.(TH|SH|TP|PP|B|BR|RI|nh|ad|nf|fi|\\")\b|^\.\\"/);
    }
    assert.doesNotMatch(line, /^'|[^ -~]/);
  }
});
