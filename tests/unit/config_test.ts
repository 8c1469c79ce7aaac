import assert from "node:assert/strict";
import {
  type Config,
  ConfigError,
  mergeSettings,
  type MountConfig,
  parseConfig,
} from "../../mod/config.ts";
import { parseFlagsFile } from "../../mod/config_directory.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { CONFIG, nearestVariable, type VariableName } from "../../mod/variables.ts";

const MOUNT = { MNT_SOURCE: "UUID=a", MNT_TARGET: "/perm/backup" };
const ARGS = ["--path", "/perm/backup/restic"];
const DEFAULT_FLAGS = 0x20000e;

function parse(environment: Record<string, string>, args: string[] = ARGS): Config {
  return parseConfig(mergeSettings(environment), parseServerArgs(args), "/work");
}

/** What is wrong with a configuration, one line each. */
function problems(environment: Record<string, string>, args: string[] = ARGS): readonly string[] {
  try {
    parse(environment, args);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.message, error.problems.join("\n"));
    return error.problems;
  }
  return [];
}

Deno.test("parseConfig() gives the defaults of the table", () => {
  assert.deepEqual(parse(MOUNT), {
    mount: {
      source: { kind: "tag", tag: "UUID", value: "a", text: "UUID=a" },
      target: "/perm/backup",
      fstype: null,
      flags: DEFAULT_FLAGS,
      data: "",
      path: "/perm/backup/restic",
      user: null,
    },
    waitMs: null,
    stopMs: 60_000,
    watchMs: 2000,
    user: null,
    sandbox: true,
    server: null,
    blkid: null,
    log: "text",
    warnings: [],
  });
});

Deno.test("parseConfig() takes each variable, and an empty one as unset", () => {
  const cases: [VariableName, string, (config: Config) => unknown, unknown][] = [
    ["MNT_WAIT", "0", (config) => config.waitMs, 0],
    ["MNT_WAIT", "1.5", (config) => config.waitMs, 1500],
    ["MNT_WAIT", "99999999", (config) => config.waitMs, 99_999_999_000],
    ["MNT_WAIT", "007", (config) => config.waitMs, 7000],
    ["MNT_WAIT", "", (config) => config.waitMs, null],
    ["MNT_STOP", "0.001", (config) => config.stopMs, 1],
    ["MNT_STOP", "", (config) => config.stopMs, 60_000],
    ["MNT_WATCH", "0", (config) => config.watchMs, 0],
    ["MNT_SANDBOX", "off", (config) => config.sandbox, false],
    ["MNT_SANDBOX", "on", (config) => config.sandbox, true],
    ["MNT_LOG", "json", (config) => config.log, "json"],
    ["MNT_LOG", "", (config) => config.log, "text"],
    ["MNT_SERVER", "/opt/rest server", (config) => config.server, "/opt/rest server"],
    ["MNT_BLKID", "blkid", (config) => config.blkid, "blkid"],
    ["MNT_USER", "0:4294967294", (config) => config.user, { uid: 0, gid: 4294967294 }],
    ["MNT_FSTYPE", "ext4", (config) => config.mount!.fstype, "ext4"],
    ["MNT_FSTYPE", "fuse.sshfs", (config) => config.mount!.fstype, "fuse.sshfs"],
    ["MNT_FSTYPE", "auto", (config) => config.mount!.fstype, null],
    ["MNT_OPTIONS", "", (config) => config.mount!.flags, DEFAULT_FLAGS],
    ["MNT_OPTIONS", "defaults", (config) => config.mount!.flags, 0],
    ["MNT_OPTIONS", "ro,subvol=a", (config) => config.mount!.data, "subvol=a"],
    ["MNT_DATA", "x=1, ro ", (config) => config.mount!.data, "x=1, ro "],
    ["MNT_DATA", "x".repeat(4095), (config) => config.mount!.data.length, 4095],
    ["MNT_CONFIG_DIR", "/etc", (config) => config.warnings.length, 0],
  ];
  for (const [name, value, read, expected] of cases) {
    assert.deepEqual(read(parse({ ...MOUNT, [name]: value })), expected, `${name}=${value}`);
  }
});

Deno.test("parseConfig() makes the target one plain path", () => {
  const cases: [string, string][] = [
    ["/perm/backup", "/perm/backup"],
    ["//perm///backup//", "/perm/backup"],
    ["/perm/./backup/.", "/perm/backup"],
    ["/a b/ü", "/a b/ü"],
    ["/...", "/..."],
  ];
  for (const [target, expected] of cases) {
    const config = parse({ ...MOUNT, MNT_TARGET: target }, ["--path", `${expected}/x`]);
    assert.equal(config.mount!.target, expected);
  }
});

Deno.test("parseConfig() names variable, value, fault and what is taken", () => {
  const cases: [VariableName, string, string][] = [
    ["MNT_SOURCE", "UUID=", "UUID= has no value"],
    ["MNT_SOURCE", "uuid=x", 'unknown tag "uuid", known are UUID, LABEL, PARTUUID, PARTLABEL'],
    ["MNT_TARGET", "perm", "not an absolute path"],
    ["MNT_TARGET", "/a/../b", '".." is not allowed in it'],
    ["MNT_TARGET", "/", "the root directory cannot be mounted over"],
    ["MNT_TARGET", "//./", "the root directory cannot be mounted over"],
    ["MNT_FSTYPE", "ext4,vfat", "not the name of a file system"],
    ["MNT_FSTYPE", " ext4", "not the name of a file system"],
    ["MNT_DATA", "ü".repeat(2048), "4096 bytes, the kernel takes 4095"],
    ["MNT_SANDBOX", "yes", "not one of on, off"],
    ["MNT_LOG", "JSON", "not one of text, json"],
    ["MNT_LOG", "__proto__", "not one of text, json"],
    ...["1:", ":1", "1", "root:root", "-1:0", "4294967295:0", "0:4294967295", "1:1:1", "0x1:1"]
      .map((value) => ["MNT_USER", value, "not a pair of ids"] as [VariableName, string, string]),
    ...["-1", "1s", " 1", "1 ", ".5", "1.", "1,5", "1e3", "0x10", "NaN", "Infinity", "999999999"]
      .flatMap((value) =>
        (["MNT_WAIT", "MNT_STOP", "MNT_WATCH"] as const).map((name) =>
          [name, value, "not a number of seconds"] as [VariableName, string, string]
        )
      ),
  ];
  for (const [name, value, fault] of cases) {
    const shown = value.length > 200 ? `${value.slice(0, 200)}...` : value;
    assert.deepEqual(problems({ ...MOUNT, [name]: value }), [
      `Cannot use ${name}=${JSON.stringify(shown)}: ${fault}; takes ${CONFIG[name].takes}`,
    ]);
  }
});

Deno.test("parseConfig() refuses options that are another operation", () => {
  for (const word of ["bind", "remount", "move", "loop", "rshared", "rslave"]) {
    const [problem, ...more] = problems({ ...MOUNT, MNT_OPTIONS: `ro,${word}` });
    assert.match(
      problem!,
      new RegExp(`^Cannot use MNT_OPTIONS="ro,${word}": option "${word}" is refused`),
    );
    assert.deepEqual(more, []);
  }
});

Deno.test("parseConfig() names the file that a bad value came from", () => {
  const settings = mergeSettings({}, { path: "/env.txt", variables: { ...MOUNT, MNT_LOG: "x" } });
  assert.throws(() => parseConfig(settings, parseServerArgs(ARGS), "/"), {
    name: "ConfigError",
    message: 'Cannot use MNT_LOG="x" from "/env.txt": not one of text, json; takes text or json',
  });
});

Deno.test("parseConfig() reports all faults at once", () => {
  const found = problems({ MNT_SOURCE: "a=b", MNT_WAIT: "x", MNT_LOG: "y", MNT_OPTIONS: "bind" }, [
    "--path",
    "/a",
  ]);
  assert.deepEqual(found.map((line) => /MNT_[A-Z]+/.exec(line)?.[0]), [
    "MNT_SOURCE",
    "MNT_OPTIONS",
    "MNT_WAIT",
    "MNT_LOG",
    "MNT_TARGET",
  ]);
});

Deno.test("mergeSettings() lets the environment win, an empty value too", () => {
  const file = {
    path: "/f",
    variables: { MNT_SOURCE: "LABEL=a", MNT_WAIT: "1", MNT_STOP: "2", HOME: "/" },
  };
  assert.deepEqual(
    [...mergeSettings({ MNT_WAIT: "3", MNT_STOP: "", PATH: "/bin", XMNT_A: "" }, file)],
    [
      ["MNT_SOURCE", { value: "LABEL=a", file: "/f" }],
      ["MNT_WAIT", { value: "3" }],
      ["MNT_STOP", { value: "" }],
    ],
  );
  assert.deepEqual([...mergeSettings({})], []);
});

Deno.test("nearestVariable() finds what was meant", () => {
  const cases: [string, VariableName][] = [
    ["MNT_SORUCE", "MNT_SOURCE"],
    ["MNT_OPTION", "MNT_OPTIONS"],
    ["MNT_FS_TYPE", "MNT_FSTYPE"],
    ["MNT_TARGETS", "MNT_TARGET"],
    ["MNT_log", "MNT_LOG"],
  ];
  for (const [name, expected] of cases) {
    assert.equal(nearestVariable(name), expected, name);
  }
  for (const name of Object.keys(CONFIG)) assert.equal(nearestVariable(name), name);
  // Nothing is near; it still names one.
  assert.ok(nearestVariable("MNT_") in CONFIG);
});

Deno.test("parseFlagsFile() takes one argument a line, as it stands", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["\n \n\t\n", []],
    ["# comment\n--path\n/a b\n", ["--path", "/a b"]],
    ["--path=/a\r\n--no-auth\r\n", ["--path=/a", "--no-auth"]],
    [" --path \n#\n--x#y", [" --path ", "--x#y"]],
    ['--log="-"', ['--log="-"']],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseFlagsFile(text), expected);
});

Deno.test("parseConfig() joins the options' data with MNT_DATA", () => {
  const data = (options: string, more: string): MountConfig["data"] =>
    parse({ ...MOUNT, MNT_OPTIONS: options, MNT_DATA: more }).mount!.data;
  assert.equal(data("ro,a=1", "b=2"), "a=1,b=2");
  assert.equal(data("ro", "b=2"), "b=2");
  assert.equal(data("a=1", ""), "a=1");
  assert.deepEqual(problems({ ...MOUNT, MNT_OPTIONS: "a", MNT_DATA: "x".repeat(4094) }), [
    "Cannot use MNT_OPTIONS with MNT_DATA: 4096 bytes of data, the kernel takes 4095",
  ]);
});

Deno.test("a zero byte, which only a file can hold, is refused: the kernel would see another text", () => {
  const settings = mergeSettings({}, {
    path: "/env.txt",
    variables: { ...MOUNT, MNT_DATA: "a\0b", MNT_TARGET: "/mnt\0/x" },
  });
  assert.throws(() => parseConfig(settings, parseServerArgs([]), "/"), (error) => {
    assert.ok(error instanceof ConfigError);
    const said = error.problems.filter((line) => /"\/env.txt": it holds a zero byte; /.test(line));
    assert.deepEqual(said.map((line) => line.split("=", 1)[0]), [
      "Cannot use MNT_TARGET",
      "Cannot use MNT_DATA",
    ]);
    return true;
  });
  assert.throws(() => parseFlagsFile("--path\n/mnt\0"), ConfigError);
});
