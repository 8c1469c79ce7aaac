/** What parseConfig() makes of a mount that is asked for, half asked for, or not at all. */
import assert from "node:assert/strict";
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { parseServerArgs } from "../../mod/server_args.ts";

const MOUNT = { MNT_SOURCE: "/dev/sda1", MNT_TARGET: "/perm/backup" };

function outcome(environment: Record<string, string>, args: string[], directory = "/work") {
  try {
    const { mount, warnings } = parseConfig(
      mergeSettings(environment),
      parseServerArgs(args),
      directory,
    );
    return { path: mount?.path ?? null, mount: mount !== null, warnings, problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { path: null, mount: false, warnings: [], problems: error.problems };
  }
}

Deno.test("without SOURCE, TARGET and FSTYPE rest-server runs without a mount", () => {
  for (const args of [[], ["--path", "/anywhere"], ["--path=../x"]]) {
    assert.deepEqual(outcome({}, args), { path: null, mount: false, warnings: [], problems: [] });
  }
  const { warnings } = outcome({ MNT_WAIT: "1", MNT_DATA: "x", MNT_OPTIONS: "ro" }, []);
  assert.deepEqual(warnings, [
    "MNT_DATA has no effect: MNT_SOURCE and MNT_TARGET are not set",
    "MNT_OPTIONS has no effect: MNT_SOURCE and MNT_TARGET are not set",
    "MNT_WAIT has no effect: MNT_SOURCE and MNT_TARGET are not set",
  ]);
});

Deno.test("a mount that is half asked for names the variable that is missing", () => {
  const cases: [Record<string, string>, string[]][] = [
    [{ MNT_SOURCE: "/dev/sda1" }, ["MNT_TARGET"]],
    [{ MNT_TARGET: "/perm/backup" }, ["MNT_SOURCE"]],
    [{ MNT_FSTYPE: "ext4" }, ["MNT_SOURCE", "MNT_TARGET"]],
    [{ MNT_FSTYPE: "ext4", MNT_SOURCE: "", MNT_TARGET: "" }, ["MNT_SOURCE", "MNT_TARGET"]],
  ];
  for (const [environment, missing] of cases) {
    const { problems } = outcome(environment, ["--path", "/perm/backup"]);
    assert.deepEqual(
      problems.map((line) => /^Cannot mount: (\w+) is not set; takes /.exec(line)?.[1]),
      missing,
    );
  }
});

Deno.test("P1: --path must be given and lie below the target as text", () => {
  const good: [string[], string][] = [
    [["--path", "/perm/backup"], "/perm/backup"],
    [["--path", "/perm/backup/"], "/perm/backup"],
    [["--path=/perm/backup/a/../b"], "/perm/backup/b"],
    [["--path", "//perm/./backup/ü b"], "/perm/backup/ü b"],
    [["--path", "restic"], "/perm/backup/restic"],
    [["--path", "/tmp", "--path", "/perm/backup/x"], "/perm/backup/x"],
  ];
  for (const [args, path] of good) {
    assert.deepEqual(outcome(MOUNT, args, "/perm/backup"), {
      path,
      mount: true,
      warnings: [],
      problems: [],
    });
  }
  const bad: [string[], RegExp][] = [
    [[], /^Cannot serve: --path is not given, .* add --path \/perm\/backup\/restic$/],
    [["--path="], /^Cannot serve: --path is not given/],
    [["--", "--path", "/perm/backup"], /^Cannot serve: --path is not given/],
    [["--path", "/perm/backups"], /^Cannot serve --path "\/perm\/backups": it does not lie below/],
    [["--path", "/perm"], /does not lie below MNT_TARGET="\/perm\/backup"/],
    [["--path", "/"], /does not lie below/],
    [["--path", "/perm/backup/.."], /does not lie below/],
    [["--path", "/perm/backup/../other"], /does not lie below/],
    [["--path", "restic"], /does not lie below/],
    [["--path", "/perm/backup", "--path", "/tmp"], /"\/tmp": it does not lie below/],
  ];
  for (const [args, message] of bad) {
    const { problems } = outcome(MOUNT, args);
    assert.equal(problems.length, 1, args.join(" "));
    assert.match(problems[0]!, message);
  }
});

Deno.test("P1: a misspelt variable is a warning beside a mount, and an error without one", () => {
  const typo = { MNT_SORUCE: "/dev/sda1", MNT_TARGTE: "/perm/backup" };
  const args = ["--path", "/perm/backup/x"];
  assert.deepEqual(outcome(typo, args).problems, [
    "Unknown variable MNT_SORUCE: the nearest known one is MNT_SOURCE; " +
    "correct or unset it: no mount is configured, and a typo must not send backups to memory",
    "Unknown variable MNT_TARGTE: the nearest known one is MNT_TARGET; " +
    "correct or unset it: no mount is configured, and a typo must not send backups to memory",
  ]);
  const beside = outcome({ ...MOUNT, MNT_WIAT: "1", MNT___proto__: "1", MNT_: "" }, args);
  assert.equal(beside.mount, true);
  assert.deepEqual(beside.warnings.map((line) => line.split(":")[0]), [
    "Unknown variable MNT_WIAT",
    "Unknown variable MNT___proto__",
    "Unknown variable MNT_",
  ]);
  // Names that an object has anyway are no known variables.
  for (const name of ["MNT_constructor", "MNT_toString"]) {
    assert.equal(outcome({ [name]: "x" }, args).problems.length, 1, name);
  }
});

Deno.test("a source that is no device needs MNT_FSTYPE", () => {
  const args = ["--path", "/perm/backup/x"];
  const nfs = { ...MOUNT, MNT_SOURCE: "server:/export" };
  assert.equal(outcome({ ...nfs, MNT_FSTYPE: "nfs4" }, args).mount, true);
  const [problem, ...more] = outcome(nfs, args).problems;
  assert.match(problem!, /^Cannot mount "server:\/export": it is no device, so MNT_FSTYPE must/);
  assert.deepEqual(more, []);
});

Deno.test("a UUID without its tag is told what is missing", () => {
  for (const uuid of ["5e1c0000-1111-2222-3333-444455556666", "1A2B-3C4D"]) {
    const { problems } = outcome({ ...MOUNT, MNT_SOURCE: uuid }, ["--path", "/perm/backup/x"]);
    assert.equal(problems.length, 1);
    assert.ok(problems[0]!.endsWith(`: MNT_SOURCE=UUID=${uuid}`), problems[0]);
  }
});

// "auto" is "what blkid says", and there is nothing that blkid could be asked of.
Deno.test("a source that is no device cannot have MNT_FSTYPE=auto", () => {
  const environment = { ...MOUNT, MNT_SOURCE: "tmpfs", MNT_FSTYPE: "auto" };
  const { problems } = outcome(environment, ["--path", "/perm/backup/x"]);
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /^Cannot mount "tmpfs": it is no device, so MNT_FSTYPE must/);
});
