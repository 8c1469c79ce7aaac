/** Bad values: one line each, all at once, code 78, and nothing was started. */
import assert from "node:assert/strict";
import { fakePlace, ownLines, QUIET_ARGS } from "../support/fake_server.ts";

const MOUNT = { MNT_SOURCE: "tmpfs", MNT_FSTYPE: "tmpfs", MNT_TARGET: "/nonexistent/mnt" };
const PATH = ["--path", "/nonexistent/mnt/restic"];

type Case = readonly [name: string, value: string, why: RegExp];

/** What a line says behind `Cannot use NAME="VALUE": `. */
const BAD_VALUES: readonly Case[] = [
  ["MNT_SOURCE", "UUID=", /UUID= has no value; takes \/dev\/NAME, UUID=/],
  [
    "MNT_SOURCE",
    "FSLABEL=x",
    /unknown tag "FSLABEL", known are UUID, LABEL, PARTUUID, PARTLABEL; /,
  ],
  ["MNT_SOURCE", "dev/sda1", /a path must be absolute; /],
  ["MNT_SOURCE", "./disk.img", /a path must be absolute; /],
  ["MNT_TARGET", "mnt", /not an absolute path; takes an absolute path$/],
  ["MNT_TARGET", "/", /the root directory cannot be mounted over; /],
  ["MNT_TARGET", "/mnt/../etc", /"\.\." is not allowed in it; /],
  ["MNT_FSTYPE", "ext4 rw", /not the name of a file system; takes the name of a file system/],
  ["MNT_OPTIONS", "bind", /bind.*; takes options as mount\(8\) takes them/],
  ["MNT_OPTIONS", "rw,remount", /remount.*; takes options/],
  ["MNT_OPTIONS", "rshared", /rshared.*; takes options/],
  ["MNT_OPTIONS", "loop", /loop.*; takes options/],
  ["MNT_WAIT", "soon", /not a number of seconds; takes seconds, 0 or more$/],
  ["MNT_WAIT", "-1", /not a number of seconds; takes seconds, 0 or more$/],
  ["MNT_STOP", "60s", /not a number of seconds; takes seconds, 0 or more$/],
  ["MNT_STOP", "1e3", /not a number of seconds; takes seconds, 0 or more$/],
  ["MNT_WATCH", " 2", /not a number of seconds; takes seconds, 0 or more$/],
  ["MNT_USER", "backup", /not a pair of ids; takes uid:gid, both numbers/],
  ["MNT_USER", "1000:-1", /not a pair of ids; takes uid:gid, both numbers/],
  ["MNT_SANDBOX", "yes", /not one of on, off; takes on or off$/],
  ["MNT_LOG", "JSON", /not one of text, json; takes text or json$/],
  ["MNT_LOG", "js\non", /not one of text, json; takes text or json$/],
];

/** Runs the program with a configuration that cannot work; gives its lines. */
async function refused(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = QUIET_ARGS,
): Promise<string[]> {
  await using place = await fakePlace();
  await using wrapper = place.start({ args, env });
  assert.equal(await wrapper.code(), 78, wrapper.errLines.join("\n"));
  assert.equal(await place.started(), false);
  assert.deepEqual(wrapper.outLines, []);
  assert.deepEqual(ownLines(wrapper), wrapper.errLines, "each line is the program's own");
  assert.doesNotMatch(wrapper.errLines.join("\n"), /defect|\bat .*:\d+:\d+/);
  return wrapper.errLines.map((line) => {
    assert.match(line, /restic-rest-server: error: /);
    return line.replace(/^.*?restic-rest-server: error: /, "");
  });
}

Deno.test("each bad value is one line that names the variable, the value and what it takes: 78", async (t) => {
  for (const [name, value, why] of BAD_VALUES) {
    await t.step(`${name}=${JSON.stringify(value)}`, async () => {
      const [line, ...more] = await refused({ ...MOUNT, [name]: value }, [...QUIET_ARGS, ...PATH]);
      assert.deepEqual(more, []);
      const start = `Cannot use ${name}=${JSON.stringify(value)}: `;
      assert.equal(line!.slice(0, start.length), start);
      assert.match(line!.slice(start.length), why);
    });
  }
});

Deno.test("a long bad value is cut, so that the line can be read", async () => {
  const [line] = await refused({ MNT_STOP: "x".repeat(5000) });
  assert.ok(line!.length < 400, line);
});

Deno.test("MNT_DATA of more than a page is refused, alone and with the data of MNT_OPTIONS", async () => {
  const args = [...QUIET_ARGS, ...PATH];
  const [alone] = await refused({ ...MOUNT, MNT_DATA: "x".repeat(4096) }, args);
  assert.match(alone!, /^Cannot use MNT_DATA=.*: 4096 bytes, the kernel takes 4095; takes at most/);
  const both = { ...MOUNT, MNT_DATA: "x".repeat(4000), MNT_OPTIONS: `subvol=${"y".repeat(100)}` };
  const [joined] = await refused(both, args);
  assert.match(joined!, /^Cannot use MNT_OPTIONS with MNT_DATA: 4108 bytes of data/);
});

Deno.test("all errors are reported at once", async () => {
  const lines = await refused({
    MNT_TARGET: "mnt",
    MNT_WAIT: "soon",
    MNT_STOP: "never",
    MNT_USER: "root",
    MNT_OPTIONS: "bind",
  });
  const starts = ["MNT_TARGET", "MNT_OPTIONS", "MNT_WAIT", "MNT_STOP", "MNT_USER"].map((name) =>
    `Cannot use ${name}=`
  );
  for (const start of [...starts, "Cannot mount: MNT_SOURCE is not set", "Cannot serve: --path"]) {
    assert.equal(lines.filter((line) => line.startsWith(start)).length, 1, start);
  }
  assert.equal(lines.length, starts.length + 2);
});

const PARTNERS = [
  [{ MNT_SOURCE: "LABEL=x" }, /^Cannot mount: MNT_TARGET is not set; takes an absolute path$/],
  [{ MNT_TARGET: "/mnt" }, /^Cannot mount: MNT_SOURCE is not set; takes \/dev\/NAME/],
  [{ MNT_SOURCE: "tmpfs", MNT_TARGET: "/mnt" }, /no device, so MNT_FSTYPE must say what it is/],
] as const;

Deno.test("a mount that is asked for by half names the variable that is missing", async () => {
  for (const [env, line] of PARTNERS) {
    const lines = await refused(env, [...QUIET_ARGS, "--path", "/mnt/restic"]);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0]!, line);
  }
  const lines = await refused({ MNT_FSTYPE: "ext4" }, [...QUIET_ARGS, "--path", "/mnt/restic"]);
  assert.equal(lines.length, 2, "MNT_FSTYPE alone asks for a mount, too");
});

const PATHS = [
  [[], /^Cannot serve: --path is not given, .* add --path \/nonexistent\/mnt\/restic$/],
  [["--path", "/other"], /^Cannot serve --path "\/other": it does not lie below MNT_TARGET=/],
  [["--path=/nonexistent/mnt/../x"], /^Cannot serve --path .*: it does not lie below/],
  [["--path", "/nonexistent/mnt2"], /^Cannot serve --path .*: it does not lie below/],
  [["--path", "relative"], /^Cannot serve --path "relative": it does not lie below/],
  [["--", "--path", "/nonexistent/mnt/restic"], /^Cannot serve: --path is not given/],
] as const;

Deno.test("P1: a --path that is not below the target is refused before anything is mounted", async () => {
  for (const [args, line] of PATHS) {
    const lines = await refused(MOUNT, [...QUIET_ARGS, ...args]);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0]!, line);
  }
});

Deno.test("an unknown MNT_ name is an error without a mount: a typo must not end in memory", async () => {
  const lines = await refused({ MNT_SORCE: "LABEL=x", MNT_TARGT: "/mnt" });
  const ends =
    "; correct or unset it: no mount is configured, and a typo must not send backups to memory";
  assert.deepEqual(lines.toSorted(), [
    `Unknown variable MNT_SORCE: the nearest known one is MNT_SOURCE${ends}`,
    `Unknown variable MNT_TARGT: the nearest known one is MNT_TARGET${ends}`,
  ]);
});

Deno.test("an unknown MNT_ name is a warning with a mount", async () => {
  await using place = await fakePlace();
  const env = {
    MNT_SOURCE: "LABEL=nobody-has-this",
    MNT_TARGET: `${place.path}/mnt`,
    MNT_BLKID: await place.script("blkid", "exit 2"),
    MNT_OPTION: "ro",
  };
  await using wrapper = place.start({
    args: [...QUIET_ARGS, "--path", `${place.path}/mnt/x`],
    env,
  });
  await wrapper.errLine(/waiting for LABEL=nobody-has-this/);
  await wrapper.errLine(
    /warning: Unknown variable MNT_OPTION: the nearest known one is MNT_OPTIONS$/,
  );
});

Deno.test("an empty value is an unset one", async () => {
  await using place = await fakePlace();
  const names = ["SOURCE", "TARGET", "FSTYPE", "DATA", "OPTIONS", "WAIT", "STOP", "WATCH", "USER"];
  const more = ["SANDBOX", "BLKID", "LOG", "CONFIG_DIR"];
  const env = Object.fromEntries([...names, ...more].map((name) => [`MNT_${name}`, ""]));
  await using wrapper = place.start({ env: { ...env, FAKE_DO: "exit 5" } });
  assert.equal(await wrapper.code(), 5);
  assert.match(wrapper.errLines[0]!, /: no mount is configured \(MNT_SOURCE, MNT_TARGET\)/);
});

Deno.test("what has no effect without a mount is said", async () => {
  await using place = await fakePlace();
  const env = { MNT_DATA: "x", MNT_OPTIONS: "ro", MNT_WAIT: "5", FAKE_DO: "exit 5" };
  await using wrapper = place.start({ env });
  assert.equal(await wrapper.code(), 5);
  for (const name of ["MNT_DATA", "MNT_OPTIONS", "MNT_WAIT"]) {
    await wrapper.errLine(
      new RegExp(`warning: ${name} has no effect: MNT_SOURCE and MNT_TARGET are`),
    );
  }
});

// Deno leaves such variables out of its environment.
Deno.test("P1: a variable that is not UTF-8 is refused, never taken for unset", async () => {
  await using place = await fakePlace();
  const raw = `MNT_SOURCE="$(printf 'LABEL=\\377')" MNT_TARGET="$(printf '/mnt/\\377')"`;
  await using wrapper = place.start({
    env: { FAKE_DO: "exit 5" },
    prefix: ["/bin/sh", "-c", `export ${raw}; exec "$@"`, "sh"],
  });
  assert.equal(await wrapper.code(), 78, wrapper.errLines.join("\n"));
  assert.equal(await place.started(), false);
});
