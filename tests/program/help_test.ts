/** `--help` and `--version`: ours, then rest-server's own. */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { CONFIG } from "../../mod/variables.ts";
import { fakePlace, type Place } from "../support/fake_server.ts";

/** A rest-server that says its arguments and ends with 3. */
function speaker(place: Place): Promise<string> {
  return place.script("speaker", 'echo "the server: $# $*"', ': >"$FAKE_DIR/args"', "exit 3");
}

/** None of these can work. */
const BAD = {
  MNT_SOURCE: "UUID=",
  MNT_TARGET: "relative",
  MNT_WAIT: "soon",
  MNT_SORCE: "x",
  MNT_CONFIG_DIR: "/nonexistent",
};

for (const verb of ["--help", "-h", "help", "--version", "-v", "version"]) {
  Deno.test(`${verb}: our text, then rest-server's own, with its exit code`, async () => {
    await using place = await fakePlace();
    const MNT_SERVER = await speaker(place);
    await using wrapper = place.start({ args: [verb], env: { ...BAD, MNT_SERVER } });
    assert.equal(await wrapper.code(), 3, "a bad configuration must not break it");
    assert.deepEqual(wrapper.errLines, []);
    const asked = verb.startsWith("-") ? verb : `--${verb}`;
    assert.equal(wrapper.outLines.at(-1), `the server: 1 ${asked}`);
    const ours = wrapper.outLines.slice(0, -1).join("\n");
    if (/h/.test(verb)) {
      assert.match(ours, /^restic-rest-server mounts a disk/);
      for (const name of Object.keys(CONFIG)) assert.match(ours, new RegExp(`^  ${name}\\b`, "m"));
    } else {
      assert.equal(ours, `restic-rest-server ${config.version} (Deno ${Deno.version.deno})`);
    }
  });
}

Deno.test("--help mounts nothing and makes no target, whatever is configured", async () => {
  await using place = await fakePlace();
  const env = {
    MNT_SERVER: await speaker(place),
    MNT_SOURCE: "tmpfs",
    MNT_FSTYPE: "tmpfs",
    MNT_TARGET: `${place.path}/mnt`,
  };
  await using wrapper = place.start({ args: ["--help"], env });
  assert.equal(await wrapper.code(), 3);
  await assert.rejects(Deno.stat(env.MNT_TARGET), Deno.errors.NotFound);
});

Deno.test("--help without a rest-server: our text all the same, then what is missing: 127", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({
    args: ["--help"],
    env: { MNT_SERVER: `${place.path}/none` },
  });
  assert.equal(await wrapper.code(), 127);
  assert.match(wrapper.outLines[0]!, /^restic-rest-server mounts a disk/);
  assert.match(wrapper.errLines.join("\n"), /^[^\n]*error: Cannot find rest-server: tried [^\n]*$/);
});

Deno.test("--version of a rest-server that cannot be started says so in one line: 127", async () => {
  await using place = await fakePlace();
  const MNT_SERVER = `${place.path}/foreign`;
  await Deno.writeTextFile(MNT_SERVER, "#!/no/such/interpreter\n", { mode: 0o755 });
  await using wrapper = place.start({ args: ["--version"], env: { MNT_SERVER } });
  assert.equal(await wrapper.code(), 127);
  assert.match(wrapper.errLines.join("\n"), /^[^\n]*error: Cannot run rest-server [^\n]*$/);
});

Deno.test("--help into a full disk says so in one line, with no stack", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({
    args: ["--help"],
    prefix: ["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh"],
  });
  assert.notEqual(await wrapper.code(), 70);
  assert.doesNotMatch(wrapper.errLines.join("\n"), /defect|at .*:\d+:\d+/);
});

Deno.test("--version: SIGTERM is passed on to a rest-server that takes its time over it", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ args: ["--version"] });
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  await wrapper.outLine(/^got 15$/);
});
