import assert from "node:assert/strict";
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { readConfigDirectory } from "../../mod/config_directory.ts";
import { files } from "../../mod/edges.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { filesOf } from "./fake_parts.ts";

const ENV = "/c/env/restic-rest-server/env.txt";
const FLAGS = "/c/flags/restic-rest-server/flags.txt";

Deno.test("readConfigDirectory() reads both files, or the one that is there", async () => {
  assert.deepEqual(
    await readConfigDirectory("/c", filesOf({ [ENV]: "MNT_WAIT=1\n", [FLAGS]: "--path\n/a\n" })),
    { path: ENV, variables: { MNT_WAIT: "1" }, flagsPath: FLAGS, args: ["--path", "/a"] },
  );
  assert.deepEqual(await readConfigDirectory("/c", filesOf({ [ENV]: "A=1" })), {
    path: ENV,
    variables: { A: "1" },
    flagsPath: FLAGS,
    args: [],
  });
  assert.deepEqual(await readConfigDirectory("/c", filesOf({ [FLAGS]: "--debug" })), {
    path: ENV,
    variables: {},
    flagsPath: FLAGS,
    args: ["--debug"],
  });
  assert.deepEqual((await readConfigDirectory("/c", filesOf({ [ENV]: "", [FLAGS]: "" }))).args, []);
});

Deno.test("readConfigDirectory() refuses a directory without both, and a file that cannot be read", async () => {
  await assert.rejects(readConfigDirectory("/c", filesOf({})), {
    name: "ConfigError",
    message: `Cannot use MNT_CONFIG_DIR="/c": neither "${ENV}" nor "${FLAGS}" is there; ` +
      "make one of them, or unset MNT_CONFIG_DIR",
  });
  const denied = filesOf({ [ENV]: new Deno.errors.PermissionDenied("denied"), [FLAGS]: "" });
  await assert.rejects(readConfigDirectory("/c", denied), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(
      error.message,
      `Cannot read "${ENV}" of MNT_CONFIG_DIR: denied; make it a readable file`,
    );
    assert.ok(error.cause instanceof Deno.errors.PermissionDenied);
    return true;
  });
});

Deno.test("readConfigDirectory() reads values with spaces, quotes and comments", async () => {
  const cases: [string, string][] = [
    ["LABEL=restic", "LABEL=restic"],
    ['LABEL="my disk"', 'LABEL="my disk"'],
    ['"LABEL=my disk"', "LABEL=my disk"],
    ["'LABEL=#1'", "LABEL=#1"],
    ["UUID=a # the blue one", "UUID=a"],
    ["LABEL=größe", "LABEL=größe"],
    ["", ""],
  ];
  for (const [written, value] of cases) {
    const text = `# comment\n\nMNT_SOURCE=${written}\nMNT_TARGET=/a\n`;
    const { variables } = await readConfigDirectory("/c", filesOf({ [ENV]: text }));
    assert.deepEqual(variables, { MNT_SOURCE: value, MNT_TARGET: "/a" }, written);
  }
});

Deno.test('readConfigDirectory() keeps a "#" where quotes stand around the whole value', async () => {
  for (
    const [written, value] of [['"LABEL=disk #1"', "LABEL=disk #1"], ["'LABEL=#1'", "LABEL=#1"]]
  ) {
    const { variables } = await readConfigDirectory(
      "/c",
      filesOf({ [ENV]: `MNT_SOURCE=${written}\n` }),
    );
    assert.equal(variables["MNT_SOURCE"], value);
  }
});

Deno.test("the files of this repository are a valid configuration together", async () => {
  const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
  const { path, variables, args } = await readConfigDirectory(root, files);
  const config = parseConfig(
    mergeSettings({}, { path, variables }),
    parseServerArgs(args),
    "/nowhere",
  );
  assert.deepEqual(config.warnings, []);
  assert.equal(config.mount!.source.kind, "tag");
  assert.ok(config.mount!.path.startsWith(`${config.mount!.target}/`));
});
