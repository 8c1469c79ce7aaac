/** `MNT_CONFIG_DIR`: variables and arguments from files. */
import assert from "node:assert/strict";
import {
  fakePlace,
  type Place,
  QUIET_ARGS,
  testWithMount,
  tmpfsOn,
} from "../support/fake_server.ts";

const REPOSITORY = new URL("../../", import.meta.url).pathname;

/** Writes the two files below a place; `undefined`: that file is missing. */
async function configDirectory({ path }: Place, env?: string, flags?: string): Promise<string> {
  for (const [kind, name, text] of [["env", "env.txt", env], ["flags", "flags.txt", flags]]) {
    if (text === undefined) continue;
    await Deno.mkdir(`${path}/${kind}/restic-rest-server`, { recursive: true });
    await Deno.writeTextFile(`${path}/${kind}/restic-rest-server/${name}`, text);
  }
  return path;
}

Deno.test("MNT_CONFIG_DIR: variables and arguments are taken from the files", async () => {
  await using place = await fakePlace();
  const MNT_CONFIG_DIR = await configDirectory(
    place,
    "# Comment\n\nMNT_STOP=0\nGREETING='two words' # and why\nMNT_LOG=json\n",
    "# Comment\n--no-auth\n\n  \n--listen\n127.0.0.1:0\n two words \n",
  );
  await using wrapper = place.start({ args: ["--debug", ""], env: { MNT_CONFIG_DIR } });
  await wrapper.outLine(/^ready$/);
  assert.deepEqual(await place.args(), [...QUIET_ARGS, " two words ", "--debug", ""]);
  assert.ok((await place.environment()).includes("GREETING=two words"));
  await wrapper.errLine(/^{.*"level":"info","event":"no-mount","message":"no mount is configured/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 137, "MNT_STOP=0 of the file must be in force");
});

Deno.test("MNT_CONFIG_DIR: the environment wins over the files, and an empty variable unsets", async () => {
  await using place = await fakePlace();
  const MNT_CONFIG_DIR = await configDirectory(
    place,
    "MNT_SERVER=/nonexistent\nMNT_WAIT=soon\nGREETING=file\nEMPTY=file\n",
  );
  const env = { MNT_CONFIG_DIR, MNT_WAIT: "", GREETING: "caller", EMPTY: "", FAKE_DO: "exit 5" };
  await using wrapper = place.start({ env });
  assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
  const seen = await place.environment();
  assert.ok(seen.includes("GREETING=caller") && seen.includes("EMPTY="), seen.join("\n"));
});

Deno.test("MNT_CONFIG_DIR: a FIFO or a directory in a file's place is 78 at once, in one line", async () => {
  for (const make of ["mkfifo", "mkdir"]) {
    await using place = await fakePlace();
    const MNT_CONFIG_DIR = await configDirectory(place, undefined, "--debug\n");
    await Deno.mkdir(`${place.path}/env/restic-rest-server`, { recursive: true });
    const path = `${place.path}/env/restic-rest-server/env.txt`;
    assert.ok((await new Deno.Command(make, { args: [path] }).output()).success);
    await using wrapper = place.start({ env: { MNT_CONFIG_DIR } });
    assert.equal(await wrapper.code(), 78);
    assert.equal(wrapper.errLines.length, 1, wrapper.errLines.join("\n"));
    assert.match(
      wrapper.errLines[0]!,
      /Cannot read ".*env.txt" of MNT_CONFIG_DIR: it is not a file; make it a readable file$/,
    );
  }
});

Deno.test("MNT_CONFIG_DIR: either file may be missing, and a relative directory is taken", async () => {
  for (const [env, flags] of [["A=1\n", undefined], [undefined, "--debug\n"]]) {
    await using place = await fakePlace();
    await configDirectory(place, env, flags);
    const options = { cwd: place.path, env: { MNT_CONFIG_DIR: ".", FAKE_DO: "exit 5" } };
    await using wrapper = place.start(options);
    assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
    assert.equal((await place.args()).includes("--debug"), flags !== undefined);
  }
});

Deno.test("MNT_CONFIG_DIR: a directory with neither file is an error that names both: 78", async () => {
  await using place = await fakePlace();
  for (const MNT_CONFIG_DIR of ["/nonexistent", place.path]) {
    await using wrapper = place.start({ env: { MNT_CONFIG_DIR } });
    assert.equal(await wrapper.code(), 78);
    assert.equal(wrapper.errLines.length, 1);
    const line = `Cannot use MNT_CONFIG_DIR="${MNT_CONFIG_DIR}": neither ` +
      `"${MNT_CONFIG_DIR}/env/restic-rest-server/env.txt" nor ` +
      `"${MNT_CONFIG_DIR}/flags/restic-rest-server/flags.txt" is there; ` +
      "make one of them, or unset MNT_CONFIG_DIR";
    assert.ok(wrapper.errLines[0]!.endsWith(line), wrapper.errLines[0]);
    assert.equal(await place.started(), false);
  }
});

Deno.test("MNT_CONFIG_DIR: a file that cannot be read is an error that names it: 78", async () => {
  await using place = await fakePlace();
  const file = `${place.path}/env/restic-rest-server/env.txt`;
  await Deno.mkdir(file, { recursive: true });
  const cases = { [place.path]: file, "/dev/null": "/dev/null/.*" };
  for (const [MNT_CONFIG_DIR, path] of Object.entries(cases)) {
    await using wrapper = place.start({ env: { MNT_CONFIG_DIR } });
    assert.equal(await wrapper.code(), 78);
    assert.match(
      wrapper.errLines.join("\n"),
      new RegExp(
        `^[^\\n]*Cannot read "${path}" of MNT_CONFIG_DIR: [^\\n]*; make it a readable file$`,
      ),
    );
  }
});

Deno.test("MNT_CONFIG_DIR: an error in a file names the file: 78", async () => {
  await using place = await fakePlace();
  const MNT_CONFIG_DIR = await configDirectory(place, "MNT_WAIT=soon\nMNT_SORCE=x\n");
  await using wrapper = place.start({ env: { MNT_CONFIG_DIR } });
  assert.equal(await wrapper.code(), 78);
  const from = ` from "${place.path}/env/restic-rest-server/env.txt": `;
  const lines = wrapper.errLines.map((line) => line.replace(/^.*error: /, ""));
  assert.ok(lines[0]!.startsWith(`Cannot use MNT_WAIT="soon"${from}not a number`), lines[0]);
  assert.ok(lines[1]!.startsWith(`Unknown variable MNT_SORCE${from}the nearest`), lines[1]);
  assert.equal(lines.length, 2);
});

testWithMount(
  "deno task start runs with the repository's own env.txt and flags.txt",
  async () => {
    await using place = await fakePlace();
    const { prefix, env, args, target } = tmpfsOn(place);
    const [program, ...rest] = [...prefix, Deno.execPath(), "task", "--quiet", "start", ...args];
    const { code, stderr } = await new Deno.Command(program!, {
      args: rest,
      cwd: REPOSITORY,
      env: { ...place.env, ...env, FAKE_DO: "exit 5" },
      stdin: "null",
    }).output();
    const lines = new TextDecoder().decode(stderr);
    assert.equal(code, 5, lines);
    assert.match(lines, new RegExp(`mounted "tmpfs" on "${target}"`));
    const own = (await Deno.readTextFile(`${REPOSITORY}/flags/restic-rest-server/flags.txt`))
      .split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert.deepEqual(await place.args(), [...own, ...args]);
  },
);
