import assert from "node:assert/strict";
import {
  layoutOf,
  parsePrefix,
  parseRecord,
  type Step,
  stepFor,
  withPaths,
} from "../../dist/tasks/install_plan.ts";

Deno.test("stepFor() overwrites only what an install has put there", () => {
  const cases: [string | undefined, string | undefined, Step, Step][] = [
    // there, installed: a file, settings
    [undefined, undefined, "new", "new"],
    [undefined, "old", "new", "new"],
    ["wanted", undefined, "same", "same"],
    ["wanted", "old", "same", "same"],
    ["old", "old", "update", "update"],
    ["theirs", undefined, "replace", "keep"],
    ["theirs", "old", "replace", "keep"],
    ["theirs", "wanted", "replace", "own"],
  ];
  for (const [there, installed, file, settings] of cases) {
    const digests = { there, installed, wanted: "wanted" };
    assert.equal(stepFor(digests, false), file, JSON.stringify(digests));
    assert.equal(stepFor(digests, true), settings, JSON.stringify(digests));
  }
});

Deno.test("parsePrefix() takes an absolute path of plain characters", () => {
  assert.equal(parsePrefix([]), "/usr/local");
  assert.equal(parsePrefix(["--prefix", "/opt/restic/"]), "/opt/restic");
  assert.equal(parsePrefix(["--prefix=/usr"]), "/usr");
  const bad = [["--prefix"], ["--prefix", ""], ["--prefix", "opt"], ["--prefix", "/a b"], ["/opt"]];
  for (const args of [...bad, ["--prefix", "/"], ["--prefix", '/a"b'], ["--other"]]) {
    assert.throws(() => parsePrefix(args), SyntaxError, args.join(" "));
  }
});

Deno.test("layoutOf() has settings in /etc only for the system's own prefixes", () => {
  assert.equal(layoutOf("/usr/local").config, "/etc/default/restic-rest-server");
  assert.equal(layoutOf("/usr").config, "/etc/default/restic-rest-server");
  assert.equal(layoutOf("/opt/x").config, "/opt/x/etc/default/restic-rest-server");
  assert.deepEqual(["/usr", "/usr/local", "/opt"].map((prefix) => layoutOf(prefix).system), [
    true,
    true,
    false,
  ]);
});

Deno.test("withPaths() puts the paths of a layout into a unit, and changes nothing for /usr/local", () => {
  const unit = "EnvironmentFile=/etc/default/restic-rest-server\n" +
    "ExecStart=/usr/local/bin/restic-rest-server $ARGS\nDocumentation=man:restic-rest-server(8)\n";
  assert.equal(withPaths(unit, layoutOf("/usr/local")), unit);
  assert.equal(
    withPaths(unit, layoutOf("/opt")),
    "EnvironmentFile=/opt/etc/default/restic-rest-server\n" +
      "ExecStart=/opt/bin/restic-rest-server $ARGS\nDocumentation=man:restic-rest-server(8)\n",
  );
});

Deno.test("parseRecord() takes what an install has written, and nothing else", () => {
  const record = { files: { "/a": "0f" }, directories: ["/b"] };
  assert.deepEqual(parseRecord(JSON.stringify(record)), record);
  for (
    const text of ["", "null", "{}", '{"files":{}}', '{"files":{"/a":1},"directories":[]}', "[]"]
  ) {
    assert.throws(() => parseRecord(text), SyntaxError, text);
  }
});
