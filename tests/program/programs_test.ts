/** Which rest-server is run, and what a missing or broken one ends with. */
import assert from "node:assert/strict";
import { FAKE_SERVER, fakePlace, type Place } from "../support/fake_server.ts";

/** Puts the fake into a directory below a place, under a name. */
async function install(place: Place, directory: string, name: string, mode = 0o755) {
  await Deno.mkdir(`${place.path}/${directory}`, { recursive: true });
  const path = `${place.path}/${directory}/${name}`;
  await Deno.copyFile(FAKE_SERVER, path);
  await Deno.chmod(path, mode);
  return path;
}

const FOUND: readonly (readonly [string, (place: string) => Record<string, string>])[] = [
  ["a name in PATH", (place) => ({ MNT_SERVER: "server", PATH: `/none:${place}/bin` })],
  ["no name: rest-server in PATH", (place) => ({ MNT_SERVER: "", PATH: `${place}/bin` })],
  [
    "the first of PATH that can be executed",
    (place) => ({ MNT_SERVER: "server", PATH: `${place}/broken:${place}/bin` }),
  ],
  ["a path from the working directory", () => ({ MNT_SERVER: "./bin/server" })],
  ["the same without ./", () => ({ MNT_SERVER: "bin/server" })],
  ["an absolute path", (place) => ({ MNT_SERVER: `${place}/bin/server`, PATH: "/none" })],
];

Deno.test("MNT_SERVER is found as", async (t) => {
  await using place = await fakePlace();
  await install(place, "bin", "server");
  await install(place, "bin", "rest-server");
  await install(place, "broken", "server", 0o644);
  for (const [what, env] of FOUND) {
    await t.step(what, async () => {
      const options = { cwd: place.path, env: { FAKE_DO: "exit 5", ...env(place.path) } };
      await using wrapper = place.start(options);
      assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
    });
  }
});

/** `P` stands for the place. */
const FAILS = [
  {
    what: "no such file",
    env: { MNT_SERVER: "P/none" },
    code: 127,
    line: 'Cannot find rest-server: tried "P/none"; install it, or set MNT_SERVER to its path',
  },
  {
    what: "no such name in PATH",
    env: { MNT_SERVER: "server", PATH: "/none:P/other" },
    code: 127,
    line: 'Cannot find rest-server: tried "/none/server", "P/other/server"; install it, or set',
  },
  {
    what: "a name in the working directory, which is not in PATH",
    env: { MNT_SERVER: "mine", PATH: ":/none" },
    code: 127,
    line: 'Cannot find rest-server: tried "/none/mine"; install it, or set MNT_SERVER to its path',
  },
  {
    what: "a file below a file",
    env: { MNT_SERVER: "P/mine/x" },
    code: 127,
    line: 'Cannot find rest-server: tried "P/mine/x"; install it',
  },
  {
    what: "not executable",
    env: { MNT_SERVER: "P/broken/server" },
    code: 126,
    line: 'Cannot run rest-server "P/broken/server": it is not an executable file; chmod +x it, or',
  },
  {
    what: "only one in PATH, not executable",
    env: { MNT_SERVER: "server", PATH: "/none:P/broken" },
    code: 126,
    line: 'Cannot run rest-server "P/broken/server": it is not an executable file',
  },
  {
    what: "a directory",
    env: { MNT_SERVER: "P/broken" },
    code: 126,
    line: 'Cannot run rest-server "P/broken": it is not an executable file',
  },
];

Deno.test("a rest-server that cannot be run is one line, and 126 or 127, for", async (t) => {
  await using place = await fakePlace();
  await install(place, "broken", "server", 0o644);
  await install(place, ".", "mine");
  const here = (text: string) => text.replaceAll(/\bP\//g, `${place.path}/`);
  for (const { what, env, code, line } of FAILS) {
    await t.step(what, async () => {
      const settled = Object.entries(env).map(([name, value]) => [name, here(value)]);
      const options = { cwd: place.path, env: Object.fromEntries(settled) };
      await using wrapper = place.start(options);
      assert.equal(await wrapper.code(), code, wrapper.errLines.join("\n"));
      const last = wrapper.errLines.at(-1)!.replace(/^.*?error: /, "");
      assert.equal(last.slice(0, here(line).length), here(line));
      assert.doesNotMatch(wrapper.errLines.join("\n"), /defect|\bat .*:\d+:\d+/);
    });
  }
});

// Twelve times: a line that comes just when the one before it is written was once lost.
Deno.test({
  name: "P9: a script whose interpreter is missing is one line, and 127, each time",
  async fn() {
    await using place = await fakePlace();
    const MNT_SERVER = `${place.path}/foreign`;
    await Deno.writeTextFile(MNT_SERVER, "#!/no/such/interpreter\n", { mode: 0o755 });
    for (let time = 0; time < 12; time++) {
      await using wrapper = place.start({ env: { MNT_SERVER } });
      assert.equal(await wrapper.code(), 127);
      assert.match(wrapper.errLines.at(-1)!, /error: Cannot run rest-server ".*\/foreign": /);
      assert.equal(wrapper.errLines.length, 2);
    }
  },
});

const WRONG_FORMATS = { "a text": "hello world\n", "a program of another machine": "\x7fELF\x01" };

// posix_spawnp(3) hands what the kernel does not know to /bin/sh.
for (const [what, text] of Object.entries(WRONG_FORMATS)) {
  Deno.test(`an executable file that holds ${what} is never run as a shell script: 126`, async () => {
    await using place = await fakePlace();
    const MNT_SERVER = `${place.path}/wrong`;
    await Deno.writeTextFile(MNT_SERVER, text, { mode: 0o755 });
    await using wrapper = place.start({ env: { MNT_SERVER } });
    assert.equal(await wrapper.code(), 126, wrapper.errLines.join("\n"));
    assert.match(wrapper.errLines.at(-1)!, /error: Cannot run rest-server ".*\/wrong": /);
  });
}

Deno.test("a missing rest-server is found out before the disk is touched", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  const env = {
    MNT_SOURCE: "LABEL=x",
    MNT_TARGET: target,
    MNT_SERVER: "/none",
    MNT_BLKID: await place.script("blkid", ': >"$FAKE_DIR/asked"'),
  };
  await using wrapper = place.start({ args: ["--path", `${target}/restic`], env });
  assert.equal(await wrapper.code(), 127);
  for (const path of [target, `${place.path}/asked`]) {
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
});
