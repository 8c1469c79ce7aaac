/** What findings mean together, and how they are shown. */
import assert from "node:assert/strict";
import schema from "../../dist/schema/check.schema.json" with { type: "json" };
import {
  type Finding,
  findingsOf,
  judgeFindings,
  loggedExit,
  maskReport,
  type Report,
  reportJson,
  splitHint,
  type Verdict,
  VERDICT_EXIT,
} from "../../mod/findings.ts";
import { reportLines, reportText } from "../../mod/findings_text.ts";
import { schemaFaults } from "../support/schema.ts";

const { ok, note, warning, error, missing, failure } = findingsOf("disk");
const server = findingsOf("server");

function reportOf(...findings: Finding[]): Report {
  return {
    version: "1.2.3",
    platform: "host",
    settings: [
      { name: "MNT_SOURCE", value: "LABEL=a", origin: "environment", file: null },
      { name: "MNT_STOP", value: "5", origin: "file", file: "/c/env.txt" },
      { name: "MNT_WAIT", value: "no limit", origin: "default", file: null },
      { name: "MNT_WATCH", value: "2", origin: "default", file: null },
    ],
    arguments: [
      { value: "--path", origin: "file", file: "/c/flags.txt" },
      { value: "/a b", origin: "file", file: "/c/flags.txt" },
      { value: "--no-auth", origin: "command line", file: null },
    ],
    devices: [{ path: "/dev/sda", tags: { TYPE: "ext4" }, match: "near", why: "it is" }],
    mount: { source: "/dev/sda", target: "/a", fstype: null, options: "rw", command: "mount x" },
    findings,
  };
}

Deno.test("judgeFindings() puts what must be changed before a disk that is not there", () => {
  const cases: [Finding[], Verdict][] = [
    [[], "fine"],
    [[ok("a", "b"), note("a", "b"), warning("a", "b")], "fine"],
    [[missing("a", "b", "c"), warning("a", "b")], "no device"],
    [[missing("a", "b", "c"), error("a", "b")], "change"],
    [[failure("a", { kind: "no device", message: "b" })], "no device"],
    [[failure("a", { kind: "mount", message: "b" })], "change"],
  ];
  for (const [findings, verdict] of cases) assert.equal(judgeFindings(findings), verdict);
  assert.deepEqual(VERDICT_EXIT, { "fine": 0, "no device": 69, "change": 78 });
});

Deno.test("loggedExit() ends the supervision by gokrazy and by systemd, whatever was found", () => {
  for (const verdict of ["fine", "no device", "change"] as const) {
    assert.equal(loggedExit(verdict, "gokrazy", false), 125);
    assert.equal(loggedExit(verdict, "host", true), 78);
    assert.equal(loggedExit(verdict, "host", false), VERDICT_EXIT[verdict]);
  }
});

Deno.test("splitHint() takes what follows the state for the cure", () => {
  assert.deepEqual(splitHint("Cannot x: y; do z; or w"), ["Cannot x: y", "do z; or w"]);
  assert.deepEqual(splitHint("Cannot x: y"), ["Cannot x: y", null]);
});

Deno.test("reportJson() is of the schema, and the schema holds it to that", () => {
  const whole = JSON.parse(reportJson(reportOf(ok("a", "b"), missing("c", "d", "e"))));
  assert.deepEqual(schemaFaults(schema, whole), []);
  assert.equal(whole.exit_code, 69);
  assert.deepEqual(whole.findings[1], {
    ...{ area: "disk", name: "c", level: "error", text: "d", cure: "e" },
  });
  const without = JSON.parse(reportJson({ ...reportOf(), mount: null }));
  assert.deepEqual(schemaFaults(schema, without), []);

  const broken: [(answer: typeof whole) => void, RegExp][] = [
    [(answer) => delete answer.verdict, /^\$: verdict is missing$/],
    [(answer) => answer.extra = 1, /^\$: extra is not known$/],
    [(answer) => answer.schema = 2, /^\$\.schema: 2, not 1$/],
    [(answer) => answer.findings[0].level = "bad", /^\$\.findings\[0\]\.level: bad is none of/],
    [(answer) => answer.findings[0].text = "", /^\$\.findings\[0\]\.text: too short$/],
    [(answer) => answer.devices[0].tags.TYPE = 1, /^\$\.devices\[0\]\.tags\.TYPE: integer, not/],
    [(answer) => answer.settings[0].name = "X", /^\$\.settings\[0\]\.name: X does not match/],
    [(answer) => answer.mount.target = null, /^\$\.mount: object, not null$/],
    [(answer) => answer.arguments = {}, /^\$\.arguments: object, not array$/],
  ];
  for (const [change, fault] of broken) {
    const answer = structuredClone(whole);
    change(answer);
    assert.match(schemaFaults(schema, answer)[0] ?? "none", fault);
  }
  assert.throws(() => schemaFaults({ minimum: 1 }, 1), /unknown keyword minimum/);
});

Deno.test("maskReport() hides a password wherever it stands", () => {
  const report = reportOf(error("a", 'mount of "//me:geheim@box/x" said geheim', "see geheim"));
  const text = JSON.stringify(maskReport(report, ["geheim"]));
  assert.doesNotMatch(text, /geheim/);
  assert.match(text, /\/\/me:\*\*\*@box/);
});

Deno.test("maskReport() leaves the words of the schema alone, whatever the password is", () => {
  const masked = maskReport(reportOf(error("a", "b")), ["error", "environment", "near", "host"]);
  assert.equal(judgeFindings(masked.findings), "change");
  assert.deepEqual(schemaFaults(schema, JSON.parse(reportJson(masked))), []);
});

const FINDINGS = [
  ok("blkid", "blkid is there"),
  error("source", "one two three four five six seven", "do\x1b[2J\u202ethis"),
  note("command", "mount -o rw,nosuid,nodev,noexec,relatime /dev/disk /target/of/the/mount"),
  server.warning("--tls", "in the clear", "give --tls"),
];

const HAS_NO_EFFECT = findingsOf("configuration").warning("variables", "MNT_WAIT has no effect");

Deno.test("reportText() aligns, wraps, and lets no label drive the terminal", () => {
  assert.equal(
    reportText(reportOf(...FINDINGS, HAS_NO_EFFECT), { colours: false, width: 52 }),
    `Configuration
  MNT_SOURCE  LABEL=a        environment
  MNT_STOP    5              /c/env.txt
  MNT_WAIT    no limit       default
  MNT_WATCH   2              default
  arguments   --path '/a b'  /c/flags.txt
              --no-auth      command line

  warning  variables  MNT_WAIT has no effect

Disk
  ok       blkid    blkid is there
  error    source   one two three four five six
                    seven
                    -> do\\x1b[2J\\u202ethis
  note     command  mount -o rw,nosuid,nodev,noexec,relatime /dev/disk /target/of/the/mount

rest-server
  warning  --tls  in the clear
                  -> give --tls

something must be changed (1 error, 2 warnings)
`,
  );
});

Deno.test("reportText() colours levels and verdict, and is the same text without the colours", () => {
  const layout = { colours: true, width: 80 };
  const coloured = reportText(reportOf(...FINDINGS), layout);
  assert.ok(coloured.includes("\x1b[1;31merror"));
  assert.ok(coloured.includes("\x1b[33mwarning"));
  assert.ok(coloured.includes("\x1b[32mok"));
  const plain = coloured.split("\x1b[").map((part) => part.replace(/^[\d;]*m/, "")).join("");
  assert.equal(plain, reportText(reportOf(...FINDINGS), { ...layout, colours: false }));
});

Deno.test("reportLines() are levels and lines, the defaults in one of them", () => {
  assert.deepEqual(reportLines(reportOf(...FINDINGS)), [
    { level: "info", text: "MNT_SOURCE=LABEL=a (environment)" },
    { level: "info", text: "MNT_STOP=5 (/c/env.txt)" },
    { level: "info", text: "by default: MNT_WAIT, MNT_WATCH" },
    { level: "info", text: "arguments: --path '/a b' (/c/flags.txt)" },
    { level: "info", text: "arguments: --no-auth (command line)" },
    { level: "info", text: "disk: blkid: blkid is there" },
    {
      level: "error",
      text: "disk: source: one two three four five six seven; do\x1b[2J\u202ethis",
    },
    { level: "info", text: `disk: command: ${FINDINGS[2]!.text}` },
    { level: "warn", text: "server: --tls: in the clear; give --tls" },
    { level: "error", text: "something must be changed (1 error, 1 warning)" },
  ]);
});
