/** P4, P10: rest-server comes up through the launcher, under one pid, as if it had been started itself. */
import assert from "node:assert/strict";
import { childOf, FAKE_SERVER, fakePlace, ownLines, type Place } from "../support/fake_server.ts";
import { isLauncher, isRunning, processesWith } from "../support/processes.ts";
import { testWith } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Waits until nothing lives any more that was started for a place. */
async function allGone({ path }: Place): Promise<void> {
  await until(() => processesWith(`FAKE_DIR=${path}`).length === 0, "the end of every process");
}

/** Between nothing and twice the time that the launcher takes on an idle machine. */
const randomMoment = () =>
  new Promise((resolve) => setTimeout(resolve, Math.floor(Math.random() * 100)));

Deno.test("rest-server has the pid that the program waits for", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start();
  await wrapper.outLine(/^ready$/);
  assert.equal((await place.status()).get("Pid"), String(await childOf(wrapper.pid)));
  assert.equal((await place.status()).get("PPid"), String(wrapper.pid));
  assert.equal((await place.status()).get("Threads"), "1");
});

Deno.test("P4: SIGKILL of the program ends a rest-server that serves, also a stubborn or stopped one", async () => {
  for (const stop of [false, true]) {
    await using place = await fakePlace();
    await using wrapper = place.start({ env: { FAKE_STUBBORN: "1" } });
    await wrapper.outLine(/^ready$/);
    if (stop) Deno.kill(await childOf(wrapper.pid), "SIGSTOP");
    wrapper.signal("SIGKILL");
    assert.equal(await wrapper.code(), 137);
    await allGone(place);
  }
});

Deno.test("P4: SIGKILL of the program at any moment of the launch leaves nothing running", async () => {
  for (let round = 0; round < 15; round++) {
    await using place = await fakePlace();
    await using wrapper = place.start();
    await childOf(wrapper.pid);
    await randomMoment();
    wrapper.signal("SIGKILL");
    assert.equal(await wrapper.code(), 137);
    await allGone(place);
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`P8: ${signal} to the whole group at any moment of the launch is a clean stop: 0`, async () => {
    for (let round = 0; round < 10; round++) {
      await using place = await fakePlace();
      await using wrapper = place.start({ prefix: ["setsid"] });
      await childOf(wrapper.pid);
      await randomMoment();
      Deno.kill(-wrapper.pid, signal);
      assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
      assert.match(ownLines(wrapper).join("\n"), new RegExp(`: ${signal}: stop`));
      await allGone(place);
    }
  });
}

/** Starts the program and freezes its launcher before that has become rest-server. */
async function startFrozen(place: Place): Promise<{ wrapper: Wrapper; launcher: number }> {
  for (;;) {
    const wrapper = place.start({ env: { MNT_STOP: "1" } });
    const launcher = await childOf(wrapper.pid);
    Deno.kill(launcher, "SIGSTOP");
    if (await isLauncher(launcher)) return { wrapper, launcher };
    // Too early, or too late: it is rest-server already.
    Deno.kill(launcher, "SIGCONT");
    await wrapper[Symbol.asyncDispose]();
    await Deno.remove(`${place.path}/args`).catch(() => {});
  }
}

Deno.test("P7: a launcher that is frozen is said, and a stop ends it in time", async () => {
  await using place = await fakePlace();
  const { wrapper } = await startFrozen(place);
  await using _ = wrapper;
  await wrapper.errLine(/still waiting for the launch of rest-server after 10 s/);
  wrapper.signal("SIGTERM");
  await wrapper.errLine(/killing rest-server \(process \d+\): it did not stop within 1 s/);
  assert.equal(await wrapper.code(), 137);
  await allGone(place);
});

Deno.test("P4: a launcher that was frozen when the program was killed never becomes rest-server", async () => {
  await using place = await fakePlace();
  const { wrapper, launcher } = await startFrozen(place);
  await using _ = wrapper;
  Deno.kill(wrapper.pid, "SIGKILL");
  await until(() => !isRunning(wrapper.pid), "the end of the program");
  Deno.kill(launcher, "SIGCONT");
  await allGone(place);
  assert.equal(await place.started(), false);
});

Deno.test("P10: no signal is blocked or ignored that was not, and SIGPIPE ends rest-server again", async () => {
  await using place = await fakePlace();
  const masks = async () => {
    const status = await place.status();
    // Signals 32 and 33 are the C library's own, see nptl(7).
    return ["SigBlk", "SigIgn"].map((name) => BigInt(`0x${status.get(name)}`) & ~(3n << 31n));
  };
  const ignoring = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh"];
  for (const prefix of [[], ignoring]) {
    const [program, ...args] = [...prefix, FAKE_SERVER];
    await new Deno.Command(program!, {
      args,
      env: { ...place.env, FAKE_DO: "exit 0" },
      stdin: "null",
    }).output();
    const bare = await masks();
    await using wrapper = place.start({ prefix, env: { FAKE_DO: "exit 0" } });
    assert.equal(await wrapper.code(), 0);
    const [blocked, ignored] = await masks();
    assert.deepEqual([blocked, ignored], bare);
  }
});

/** An ELF header of this machine, and nothing after it. */
async function cutProgram(path: string): Promise<void> {
  const bytes = (await Deno.readFile("/bin/true")).subarray(0, 100);
  await Deno.writeFile(path, bytes, { mode: 0o755 });
}

/** What execve(2) itself refuses, each with the exit code of the table and errno. */
const REFUSED: Record<string, { make(path: string): Promise<void>; code: number; line: RegExp }> = {
  "an interpreter that is missing": {
    make: (path) => Deno.writeTextFile(path, "#!/nowhere/sh\n", { mode: 0o755 }),
    code: 127,
    line: /ENOENT \(execve\(2\)\); is its interpreter there\? MNT_SERVER names/,
  },
  "an interpreter that is no program": {
    make: (path) => Deno.writeTextFile(path, "#!/etc\n", { mode: 0o755 }),
    code: 126,
    line: /EACCES \(execve\(2\)\); is it built for this machine\? MNT_SERVER names/,
  },
  "a program that was cut short": {
    make: cutProgram,
    code: 126,
    line: /(ENOEXEC|EIO|EINVAL) \(execve\(2\)\); is it built/,
  },
};
for (const [what, { make, code, line }] of Object.entries(REFUSED)) {
  Deno.test(`P9: ${what} is one line, and ${code}`, async () => {
    await using place = await fakePlace();
    const MNT_SERVER = `${place.path}/server`;
    await make(MNT_SERVER);
    await using wrapper = place.start({ env: { MNT_SERVER } });
    assert.equal(await wrapper.code(), code);
    const said = wrapper.errLines.filter((text) => !text.includes("no mount is configured"));
    assert.equal(said.length, 1, said.join("\n"));
    assert.ok(said[0]!.includes(`error: Cannot run rest-server "${MNT_SERVER}": `), said[0]);
    assert.match(said[0]!, line);
  });
}

Deno.test("P9: what the launcher says of a path is said, however long that is", async () => {
  await using place = await fakePlace();
  const directory = `${place.path}/${`${"x".repeat(250)}/`.repeat(15)}${"y".repeat(200)}`;
  await Deno.mkdir(directory, { recursive: true });
  const MNT_SERVER = `${directory}/${"z".repeat(4085 - directory.length)}`;
  await REFUSED["an interpreter that is missing"]!.make(MNT_SERVER);
  await using wrapper = place.start({ env: { MNT_SERVER } });
  assert.equal(await wrapper.code(), 127);
  assert.ok(wrapper.errLines.at(-1)!.includes(`Cannot run rest-server "${MNT_SERVER}": ENOENT`));
});

Deno.test("P9: a program that is being written may be there at the next try: 75", async () => {
  await using place = await fakePlace();
  const MNT_SERVER = `${place.path}/server`;
  await Deno.copyFile("/bin/true", MNT_SERVER);
  using _ = await Deno.open(MNT_SERVER, { write: true });
  // Some kernels let it be executed all the same.
  const start = async () => await new Deno.Command(MNT_SERVER).output();
  const refuses = await start().then(() => false, () => true);
  await using wrapper = place.start({ env: { MNT_SERVER } });
  assert.equal(await wrapper.code(), refuses ? 75 : 0);
  if (refuses) await wrapper.errLine(/Cannot run rest-server ".*": ETXTBSY \(execve\(2\)\)/);
});

Deno.test("P9: a variable of the program's own roles, set by a user, is one line and 78", async () => {
  const variables = ["RESTIC_REST_SERVER_LAUNCH", "RESTIC_REST_SERVER_MOUNT"];
  const values = ["", "1", "{}", '{"program":"/bin/true"', '{"source":"/","flags":0}'];
  for (const [name, value] of variables.flatMap((name) => values.map((value) => [name, value]))) {
    await using place = await fakePlace();
    await using wrapper = place.start({ env: { [name!]: value! } });
    assert.equal(await wrapper.code(), 78);
    assert.equal(wrapper.errLines.length, 1, wrapper.errLines.join("\n"));
    assert.match(wrapper.errLines[0]!, new RegExp(`error: Cannot use ${name}: .*; unset it$`));
    assert.equal(await place.started(), false);
  }
});

await testWith(
  ["root"],
  "P4: a rest-server that its privileges let outlive the program is warned of",
  async () => {
    await using place = await fakePlace();
    const server = `${place.path}/server`;
    await Deno.copyFile("/bin/true", server);
    await Deno.chown(server, 65534, 65534);
    for (const [mode, warned] of [[0o755, false], [0o4755, true], [0o2755, true]] as const) {
      await Deno.chmod(server, mode);
      await using wrapper = place.start({ env: { MNT_SERVER: server } });
      assert.equal(await wrapper.code(), 0);
      const warnings = ownLines(wrapper).filter((line) => line.includes(" warning: "));
      assert.equal(warnings.length, warned ? 1 : 0, warnings.join("\n"));
      if (!warned) continue;
      assert.match(warnings[0]!, /".*\/server" has privileges of its own .*, so it lives on where/);
    }
  },
);

Deno.test("P10: nothing of the launcher is left in rest-server's environment", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: { FAKE_DO: "exit 0", MNT_LOG: "json" } });
  assert.equal(await wrapper.code(), 0);
  const names = (await place.environment()).map((variable) => variable.split("=")[0]!);
  assert.deepEqual(names.filter((name) => /^(DENO|MNT_|RESTIC_REST_SERVER)/.test(name)), []);
});

Deno.test("P9: MNT_USER needs the right to change users: 77, in one line", async () => {
  await using place = await fakePlace();
  // Root without these two capabilities is as little able to as anybody else.
  const prefix = Deno.uid() === 0 ? ["setpriv", "--bounding-set=-setuid,-setgid"] : [];
  await using wrapper = place.start({ env: { MNT_USER: "1:1" }, prefix });
  assert.equal(await wrapper.code(), 77);
  assert.match(
    ownLines(wrapper).at(-1)!,
    /error: Cannot run rest-server as MNT_USER=1:1: setgroups\(2\): EPERM; start this program as root$/,
  );
  assert.equal(await place.started(), false);
});
