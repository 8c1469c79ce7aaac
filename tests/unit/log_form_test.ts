import assert from "node:assert/strict";
import {
  chooseOutlet,
  formatJson,
  formatText,
  type Line,
  type Outlet,
  type StderrFacts,
} from "../../mod/log_form.ts";
import { escapeJson } from "../../mod/terminal.ts";

const LINE: Line = {
  level: "info",
  message: "mounted",
  facts: { event: "mounted", fstype: "ext4" },
  timeMs: Date.UTC(2026, 10, 23, 16, 20, 1, 234),
  uptimeSeconds: 12,
};
const OUTLETS: readonly Outlet[] = ["plain", "terminal", "colours", "journal"];

/** The time on a clock here. */
const DAY_TIME = new Date(LINE.timeMs).toTimeString().slice(0, 8);

Deno.test("formatText() writes a line for whoever reads it", () => {
  const cases: [Outlet, info: string, warning: string, error: string][] = [
    [
      "plain",
      "2026-11-23T16:20:01Z +12s restic-rest-server: mounted",
      "2026-11-23T16:20:01Z +12s restic-rest-server: warning: mounted",
      "2026-11-23T16:20:01Z +12s restic-rest-server: error: mounted",
    ],
    [
      "terminal",
      `${DAY_TIME} mounted`,
      `${DAY_TIME} warning: mounted`,
      `${DAY_TIME} error: mounted`,
    ],
    [
      "colours",
      `\x1b[2m${DAY_TIME}\x1b[0m mounted`,
      `\x1b[2m${DAY_TIME}\x1b[0m \x1b[33mwarning:\x1b[0m mounted`,
      `\x1b[2m${DAY_TIME}\x1b[0m \x1b[1;31merror:\x1b[0m mounted`,
    ],
    // sd-daemon(3): SD_INFO, SD_WARNING, SD_ERR.
    ["journal", "<6>mounted", "<4>mounted", "<3>mounted"],
  ];
  for (const [outlet, ...lines] of cases) {
    for (const [i, level] of (["info", "warning", "error"] as const).entries()) {
      assert.equal(formatText({ ...LINE, level }, outlet), lines[i], `${outlet} ${level}`);
    }
  }
  assert.match(formatText({ ...LINE, timeMs: 0 }, "plain"), /^1970-01-01T00:00:00Z \+12s /);
});

Deno.test("one event is one line, whatever a name in it holds", () => {
  const message = "a\nb\r\n\tc\x1b[31m\x00\x7f\x9b größe $& {line}\u202e\u2028";
  const shown = "a\\nb\\r\\n\\tc\\x1b[31m\\x00\\x7f\\x9b größe $& {line}\\u202e\\u2028";
  for (const outlet of OUTLETS) {
    const text = formatText({ ...LINE, message }, outlet);
    assert.ok(text.endsWith(shown), text);
    assert.equal(text.split("\n").length, 1);
    assert.ok(formatText({ ...LINE, message: "" }, outlet).length < 60);
  }
  const json = formatJson({ ...LINE, message }, "plain");
  assert.match(json, /^[ -~äöüß]*$/);
  assert.equal(JSON.parse(json).message, message);
});

Deno.test("escapeJson() keeps the line breaks of JSON, and means what it was given", () => {
  const value = { label: "\x1b[31m\x9b31m\x7f\u2066", rows: ["a\nb"] };
  const json = JSON.stringify(value, null, 2);
  const text = escapeJson(json);
  assert.match(text, /^[ -~\n]*$/);
  assert.deepEqual(JSON.parse(text), value);
  assert.equal(text.split("\n").length, json.split("\n").length);
});

Deno.test("a stack is several lines for a person and the journal, each with its priority, and one elsewhere", () => {
  const stack = "    at a (file:///a.ts:1:2)\n    at b\x1b";
  const line: Line = { ...LINE, level: "error", facts: { event: "defect", stack } };
  assert.equal(
    formatText(line, "journal"),
    "<3>mounted\n<3>    at a (file:///a.ts:1:2)\n<3>    at b\\x1b",
  );
  assert.match(formatText(line, "terminal"), /^\S+ error: mounted\n {4}at a .*\n {4}at b\\x1b$/);
  assert.match(formatText(line, "plain"), /: error: mounted\\n {4}at a .*\\n {4}at b\\x1b$/);
  assert.equal(JSON.parse(formatJson(line, "plain")).stack, stack);
});

Deno.test("formatJson() writes one object a line, with the line's own facts", () => {
  const facts = { event: "mounted", devices: ["/dev/sda1"], ours: true, seconds: 1 } as const;
  const object = {
    time: "2026-11-23T16:20:01.234Z",
    uptime_seconds: 12,
    level: "info",
    event: "mounted",
    message: 'a\n"b"',
    devices: ["/dev/sda1"],
    ours: true,
    seconds: 1,
  };
  const line = { ...LINE, message: 'a\n"b"', facts };
  for (const outlet of ["plain", "terminal", "colours"] as const) {
    assert.deepEqual(JSON.parse(formatJson(line, outlet)), object);
  }
  const journal = formatJson(line, "journal");
  assert.equal(journal.slice(0, 3), "<6>");
  assert.deepEqual(JSON.parse(journal.slice(3)), object);
});

Deno.test("chooseOutlet() believes JOURNAL_STREAM only where it names our own stderr", () => {
  const none = { terminal: false, stream: undefined, journalStream: undefined };
  const off: StderrFacts = { ...none, noColor: undefined, term: undefined };
  const terminal = { ...off, terminal: true, term: "xterm" };
  const journal = { ...off, stream: "8:123", journalStream: "8:123" };
  const cases: [StderrFacts, Outlet][] = [
    [off, "plain"],
    [{ ...off, term: "xterm" }, "plain"],
    [journal, "journal"],
    [{ ...journal, noColor: "1" }, "journal"],
    // Inherited by a child whose stderr was turned elsewhere.
    [{ ...journal, stream: "8:124" }, "plain"],
    [{ ...journal, stream: "9:123" }, "plain"],
    [{ ...terminal, stream: "136:5", journalStream: "8:123" }, "colours"],
    [{ ...journal, stream: undefined }, "plain"],
    [{ ...off, journalStream: "" }, "plain"],
    [terminal, "colours"],
    [{ ...terminal, noColor: "1" }, "terminal"],
    // no-color.org: "when present and not an empty string".
    [{ ...terminal, noColor: "" }, "colours"],
    [{ ...terminal, term: "dumb" }, "terminal"],
    [{ ...terminal, term: undefined }, "terminal"],
  ];
  for (const [facts, outlet] of cases) {
    assert.equal(chooseOutlet(facts), outlet, JSON.stringify(facts));
  }
});
