/** What gokrazy is told of this program. */
import assert from "node:assert/strict";
import { PACKAGE, packageConfig, REST_SERVER } from "../../dist/gokrazy/package_config.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

async function task(...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}dist/tasks/gokrazy_config.ts`, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("packageConfig() starts this program alone, with its variables and flags", () => {
  assert.deepEqual(packageConfig({ MNT_SOURCE: "LABEL=my disk" }, ["--path", "/perm/x"]), {
    [PACKAGE]: {
      Environment: ["MNT_SOURCE=LABEL=my disk"],
      CommandLineFlags: ["--path", "/perm/x"],
      WaitForClock: true,
    },
    [REST_SERVER]: { DontStart: true },
  });
  const [further] = Object.keys(packageConfig({}, [], "photos"));
  assert.equal(further, `${PACKAGE}/photos`);
});

Deno.test("config.example.json has what deno task gokrazy:config prints", async () => {
  const example = JSON.parse(await Deno.readTextFile(`${ROOT}dist/gokrazy/config.example.json`));
  const { code, stdout, stderr } = await task();
  assert.equal(code, 0, stderr);
  assert.deepEqual(example.PackageConfig, JSON.parse(stdout).PackageConfig);
  for (const name of [PACKAGE, REST_SERVER]) assert.ok(example.Packages.includes(name), name);
});

Deno.test("gokrazy:config refuses what the program would refuse, with all of its words", async () => {
  await using directory = await tempDirectory();
  const { path } = directory;
  await Deno.mkdir(`${path}/env/restic-rest-server`, { recursive: true });
  await Deno.writeTextFile(`${path}/env/restic-rest-server/env.txt`, "MNT_SOURCE=LABEL=x\n");
  const { code, stdout, stderr } = await task(path);
  assert.equal(code, 78);
  assert.equal(stdout, "");
  assert.match(stderr, /^Cannot mount: MNT_TARGET is not set; takes an absolute path$/m);
  assert.match(stderr, /^Cannot serve: --path is not given/m);
});

Deno.test("gokrazy:config names a directory without files, and its usage", async () => {
  const nowhere = await task("/nowhere");
  assert.equal(nowhere.code, 78);
  assert.match(nowhere.stderr, /^Cannot use MNT_CONFIG_DIR="\/nowhere": neither/);
  const usage = await task("--help");
  assert.equal(usage.code, 64);
  assert.match(usage.stderr, /^Usage: deno task gokrazy:config/);
});
