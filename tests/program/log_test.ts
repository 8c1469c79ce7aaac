/** All lines of the program go to stderr, in the form asked for, and never hold anything up. */
import assert from "node:assert/strict";
import { fakePlace, type Place, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { until } from "../support/wait.ts";
import { PROGRAM, type Wrapper } from "../support/wrapper.ts";

const TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \+\d+s restic-rest-server: \S/;

async function serveAndStop(wrapper: Wrapper): Promise<void> {
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
}

testWithMount("all lines of the program are on stderr, stdout is rest-server's alone", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start(tmpfsOn(place));
  await serveAndStop(wrapper);
  assert.deepEqual(wrapper.outLines, ["ready", "got 15"]);
  assert.equal(wrapper.errLines.length, 4);
  for (const line of wrapper.errLines) assert.match(line, TEXT);
});

testWithMount(
  "MNT_LOG=json: each line is an object with time, uptime, level, message and facts",
  async () => {
    await using place = await fakePlace();
    const disk = tmpfsOn(place);
    const env = {
      ...disk.env,
      MNT_LOG: "json",
      MNT_UNKNOWN: "a\nb",
      FAKE_STUBBORN: "1",
      MNT_STOP: "0",
    };
    await using wrapper = place.start({ ...disk, env });
    await wrapper.outLine(/^ready$/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 137);
    const lines = wrapper.errLines.map((line) => JSON.parse(line));
    for (const { time, uptime_seconds, level, message } of lines) {
      assert.equal(new Date(time).toISOString(), time);
      assert.ok(Number.isInteger(uptime_seconds) && uptime_seconds > 0);
      assert.ok(["info", "warning", "error"].includes(level));
      assert.equal(typeof message, "string");
    }
    const levels = ["warning", "info", "info", "warning", "error", "info"];
    assert.deepEqual(lines.map(({ level }) => level), levels, wrapper.errLines.join("\n"));
    const { source, target, fstype } = lines.find(({ message }) => message.startsWith("mounted"));
    assert.deepEqual({ source, target, fstype }, {
      source: "tmpfs",
      target: disk.target,
      fstype: "tmpfs",
    });
  },
);

// Also the lines on a configuration that is not known to be good yet.
for (
  const [what, env] of Object.entries({
    "a bad value": { MNT_WAIT: "soon" },
    "a missing MNT_CONFIG_DIR": { MNT_CONFIG_DIR: "/nonexistent" },
  })
) {
  Deno.test(`MNT_LOG=json: the line on ${what} is an object, too`, async () => {
    await using place = await fakePlace();
    await using wrapper = place.start({ env: { ...env, MNT_LOG: "json" } });
    assert.equal(await wrapper.code(), 78);
    assert.equal(JSON.parse(wrapper.errLines.join("\n")).level, "error");
  });
}

Deno.test("a line holds one event, whatever a name holds", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: { MNT_SERVER: "/none\nerror: all is well\r" } });
  assert.equal(await wrapper.code(), 127);
  assert.equal(wrapper.errLines.length, 1);
  assert.match(wrapper.errLines[0]!, /"\/none\\[nx]\w*error: all is well\\[rx]\w*"/);
});

/** `P` stands for the place. What is said there, nobody reads. */
const DEAF = {
  "closed": '"$@" 2>&-',
  "a full disk": '"$@" 2>/dev/full',
  // The shell's own descriptor keeps the pipe open, so that a write waits and does not fail.
  "a full pipe that nobody reads":
    'mkfifo P/full && exec 3<>P/full && dd if=/dev/zero of=P/full bs=65536 count=1 2>/dev/null && exec "$@" 2>P/full',
};

for (const [what, script] of Object.entries(DEAF)) {
  testWithMount(
    `P7: with ${what} as stderr it serves, stops and unmounts all the same`,
    async () => {
      await using place = await fakePlace();
      const disk = tmpfsOn(place);
      const shell = ["/bin/sh", "-c", script.replaceAll("P/", `${place.path}/`), "sh"];
      // Not "exec": the shell stays and tells, in the same namespace, whether the disk is still mounted.
      const tell = `"$@"; code=$?; grep -c " ${disk.target} " /proc/self/mountinfo; exit $code`;
      const prefix = [...disk.prefix, "/bin/sh", "-c", tell, "sh", ...shell];
      await using wrapper = place.start({ ...disk, prefix });
      await wrapper.outLine(/^ready$/);
      Deno.kill(await programBelow(place), "SIGTERM");
      assert.equal(await wrapper.code(), 0);
      assert.deepEqual(wrapper.outLines, ["ready", "got 15", "0"]);
    },
  );
}

/** The program, as the parent of the fake. */
async function programBelow(place: Place): Promise<number> {
  return Number((await place.status()).get("PPid"));
}

Deno.test("P7: a reader of stderr that goes away ends nothing", async () => {
  await using place = await fakePlace();
  const child = new Deno.Command(PROGRAM[0]!, {
    args: [...PROGRAM.slice(1), "--no-auth"],
    env: place.env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await child.stderr.cancel();
  await until(() => Deno.stat(`${place.path}/wait`).catch(() => null), "a serving fake");
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
});
