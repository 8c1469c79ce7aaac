/** All lines of the program go to stderr, in the form asked for, and never hold anything up. */
import assert from "node:assert/strict";
import { fakePlace, type Place, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { parseJsonLine } from "../support/log_lines.ts";
import { until } from "../support/wait.ts";
import { PROGRAM, type Wrapper } from "../support/wrapper.ts";

const TEXT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \+\d+s restic-rest-server: \S/;

async function serveAndStop(wrapper: Wrapper): Promise<void> {
  await wrapper.outLine(/^ready$/);
  await wrapper.errLine(/: serving "/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
}

testWithMount("all lines of the program are on stderr, stdout is rest-server's alone", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start(tmpfsOn(place));
  await serveAndStop(wrapper);
  assert.deepEqual(wrapper.outLines, ["ready", "got 15"]);
  // mounted, serving, stopping, stopped, unmounted.
  assert.equal(wrapper.errLines.length, 5);
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
    await wrapper.errLine(/"event":"serving"/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 137);
    const lines = wrapper.errLines.map(parseJsonLine);
    const said = lines.map(({ level, event, phase }) => `${level} ${event} ${phase}`);
    assert.deepEqual(said, [
      "warning config-warning starting",
      "info mounted mounting",
      "info serving serving",
      "info stopping serving",
      "warning killing stopping",
      "error server-ended stopping",
      "info unmounted unmounting",
    ]);
    const { source, target, fstype, devices, ours } = lines[1]!;
    assert.deepEqual([source, target, fstype, devices, ours], [
      ...["tmpfs", disk.target, "tmpfs", ["tmpfs"], true],
    ]);
    const { signal, pid } = lines[5]!;
    assert.deepEqual([signal, pid], ["SIGKILL", lines[2]!["pid"]]);
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
    const { level, event, kind, exit_code } = parseJsonLine(wrapper.errLines.join("\n"));
    assert.deepEqual([level, event, kind, exit_code], ["error", "failed", "configuration", 78]);
  });
}

Deno.test("a line holds one event, whatever a name holds", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: { MNT_SERVER: "/none\nerror: all is well\r" } });
  assert.equal(await wrapper.code(), 127);
  assert.equal(wrapper.errLines.length, 1);
  assert.match(wrapper.errLines[0]!, /"\/none\\[nx]\w*error: all is well\\[rx]\w*"/);
});

/** Runs the program by a shell script, in which `"$@"` is its command line. */
const inShell = (script: string) => ["/bin/sh", "-c", script, "sh"];

/** With stderr as what `JOURNAL_STREAM` names; fd 2 is stat's own there, and the same. */
const JOURNAL = 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"';

testWithMount("in the journal of systemd each line has its priority, and no time", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  const env = { ...disk.env, MNT_UNKNOWN: "x", FAKE_STUBBORN: "1", MNT_STOP: "0" };
  await using wrapper = place.start({
    ...disk,
    env,
    prefix: [...disk.prefix, ...inShell(JOURNAL)],
  });
  await wrapper.outLine(/^ready$/);
  await wrapper.errLine(/^<6>serving "/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 137);
  assert.deepEqual(wrapper.errLines.map((line) => line.slice(0, 12)), [
    "<4>Unknown v",
    '<6>mounted "',
    '<6>serving "',
    "<6>SIGTERM: ",
    "<4>killing r",
    "<3>rest-serv",
    "<6>unmounted",
  ]);
});

Deno.test("MNT_LOG=json in the journal: an object behind its priority", async () => {
  await using place = await fakePlace();
  const env = { MNT_LOG: "json", MNT_SERVER: "/none" };
  await using wrapper = place.start({ env, prefix: inShell(JOURNAL) });
  assert.equal(await wrapper.code(), 127);
  assert.equal(wrapper.errLines[0]!.slice(0, 3), "<3>");
  parseJsonLine(wrapper.errLines[0]!.slice(3));
});

Deno.test("a JOURNAL_STREAM that is not our stderr changes nothing", async () => {
  await using place = await fakePlace();
  const env = { MNT_SERVER: "/none", JOURNAL_STREAM: "8:1234" };
  await using wrapper = place.start({ env });
  assert.equal(await wrapper.code(), 127);
  assert.match(wrapper.errLines[0]!, TEXT);
});

/** What stands in front of the message on a terminal; script(1) makes one. */
const ON_TERMINAL: Record<string, [env: Record<string, string>, start: string]> = {
  "in colours": [{ TERM: "xterm", NO_COLOR: "" }, "\x1b[2mTIME\x1b[0m \x1b[1;31merror:\x1b[0m "],
  "plain with NO_COLOR": [{ TERM: "xterm", NO_COLOR: "1" }, "TIME error: "],
  "plain with TERM=dumb": [{ TERM: "dumb", NO_COLOR: "" }, "TIME error: "],
};
for (const [what, [env, start]] of Object.entries(ON_TERMINAL)) {
  Deno.test(`on a terminal a line is short, and ${what}`, async () => {
    await using place = await fakePlace();
    const prefix = inShell('exec script -qec "$*" /dev/null');
    await using wrapper = place.start({ env: { ...env, MNT_SERVER: "/none" }, prefix });
    assert.equal(await wrapper.code(), 127);
    const line = wrapper.outLines[0]!.replace(/\d\d:\d\d:\d\d/, "TIME");
    assert.ok(line.startsWith(`${start}Cannot find rest-server: tried "/none"`), line);
  });
}

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
