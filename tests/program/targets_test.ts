/** Targets with strange names, and targets that cannot be: each with a tmpfs in a namespace of its own. */
import assert from "node:assert/strict";
import { fakePlace, QUIET_ARGS, testWithMount, tmpfsOn } from "../support/fake_server.ts";

/** The kernel and this program must mean the same directory, whatever mountinfo has to escape. */
const NAMES: Readonly<Record<string, string>> = {
  "a space": "my disk",
  "a tab, a newline and a backslash": "a\tb\nc\\d\\040",
  "quotes and a hash": `"it's" #1`,
  "UTF-8": "Sicherung – 備份 🦕",
  "dots": "...",
  "255 bytes": "n".repeat(255),
  "a percent sign": "100%2F",
};

for (const [what, name] of Object.entries(NAMES)) {
  testWithMount(`a target with ${what} in its name is mounted, served and unmounted`, async () => {
    await using place = await fakePlace();
    const { prefix, env } = tmpfsOn(place);
    const target = `${place.path}/${name}`;
    await using wrapper = place.start({
      prefix,
      args: [...QUIET_ARGS, "--path", `${target}/restic`],
      env: { ...env, MNT_TARGET: target, MNT_LOG: "json" },
    });
    await wrapper.outLine(/^ready$/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
    const messages = wrapper.errLines.map((line) => JSON.parse(line).message);
    assert.ok(messages[0].startsWith(`mounted "tmpfs" on "${target}" as tmpfs`), messages[0]);
    assert.equal(messages.at(-1), `unmounted "${target}"`);
  });
}

testWithMount(
  "a target is made with its parents, and a doubled or trailing slash is nothing",
  async () => {
    await using place = await fakePlace();
    const { prefix, env } = tmpfsOn(place);
    const target = `${place.path}//a/./b/c/`;
    await using wrapper = place.start({
      prefix,
      args: [...QUIET_ARGS, "--path", `${place.path}/a/b/c/restic`],
      env: { ...env, MNT_TARGET: target, FAKE_DO: "exit 5" },
    });
    assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
    assert.match(wrapper.errLines.at(-1)!, /unmounted ".*[^/]\/a\/b\/c"$/);
  },
);

const IMPOSSIBLE = [
  { what: "is a file", target: "file", line: /Cannot make the directory ".*\/file": / },
  { what: "lies below a file", target: "file/below", line: /Cannot \w+.*\/file\/below"/ },
  { what: "is a symlink to nothing", target: "dangling", line: /Cannot \w+.*"/ },
  {
    what: "is a loop of symlinks",
    target: "loop",
    line: /Cannot use MNT_TARGET=".*\/loop": .*; check its symlinks, or set another directory$/,
  },
] as const;

for (const { what, target, line } of IMPOSSIBLE) {
  testWithMount(`a target that ${what} is a fault of the configuration: 78`, async () => {
    await using place = await fakePlace();
    await Deno.writeTextFile(`${place.path}/file`, "");
    await Deno.symlink(`${place.path}/file/none`, `${place.path}/dangling`);
    await Deno.symlink("loop", `${place.path}/loop`);
    const { prefix, env } = tmpfsOn(place);
    await using wrapper = place.start({
      prefix,
      args: [...QUIET_ARGS, "--path", `${place.path}/${target}/restic`],
      env: { ...env, MNT_TARGET: `${place.path}/${target}` },
    });
    assert.equal(await wrapper.code(), 78, wrapper.errLines.join("\n"));
    assert.equal(wrapper.errLines.length, 1, wrapper.errLines.join("\n"));
    assert.match(wrapper.errLines[0]!, line);
    assert.equal(await place.started(), false);
  });
}

testWithMount("a rest-server that cannot be started leaves nothing mounted: 127", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  const MNT_SERVER = `${place.path}/foreign`;
  await Deno.writeTextFile(MNT_SERVER, "#!/no/such/interpreter\n", { mode: 0o755 });
  await using wrapper = place.start({ ...disk, env: { ...disk.env, MNT_SERVER } });
  assert.equal(await wrapper.code(), 127);
  assert.match(wrapper.errLines.at(-2)!, /error: Cannot run rest-server ".*\/foreign": /);
  assert.match(wrapper.errLines.at(-1)!, /: unmounted ".*\/mnt"$/);
});
