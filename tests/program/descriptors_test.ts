/** P10: stdin, stdout, stderr and whatever else is open reach rest-server as they came, and nothing of ours. */
import assert from "node:assert/strict";
import {
  FAKE_SERVER,
  fakePlace,
  type Place,
  testWithMount,
  tmpfsOn,
} from "../support/fake_server.ts";
import { PROGRAM } from "../support/wrapper.ts";

/** Starts a command line behind a shell's redirections; gives the fake's descriptors. */
async function descriptorsOf(
  place: Place,
  redirections: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Map<number, string>> {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `exec "$@" ${redirections}`, "sh", ...command],
    env: { ...place.env, FAKE_DO: "exit 0", ...env },
    cwd: place.path,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const { code } = await child.output();
  assert.equal(code, 0);
  return await place.descriptors();
}

const CASES: readonly (readonly [string, string])[] = [
  ["/dev/null", "</dev/null >/dev/null 2>/dev/null"],
  ["files", "<input >>output 2>>errors"],
  ["one file for two", "</dev/null >output 2>&1"],
  ["a further one", "7</dev/zero"],
  ["several, open for writing, too", "3<>output 8>>errors 9<input"],
  ["a directory", "5</"],
];

Deno.test("P10: open descriptors reach rest-server as they came, and no other one", async (t) => {
  await using place = await fakePlace();
  for (const name of ["input", "output", "errors"]) {
    await Deno.writeTextFile(`${place.path}/${name}`, "");
  }
  for (const [what, redirections] of CASES) {
    await t.step(what, async () => {
      const bare = await descriptorsOf(place, redirections, [FAKE_SERVER]);
      const wrapped = await descriptorsOf(place, redirections, [...PROGRAM, "--no-auth"]);
      assert.deepEqual(wrapped, bare);
    });
  }
});

Deno.test("P10: rest-server has the very pipes that the program was given", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start();
  await wrapper.outLine(/^ready$/);
  const fds = await place.descriptors();
  for (const fd of [0, 1, 2]) {
    assert.equal(fds.get(fd), await Deno.readLink(`/proc/${wrapper.pid}/fd/${fd}`));
  }
  assert.match(fds.get(1)!, /^pipe:/);
});

Deno.test("P10: what rest-server's stdin holds is left to it, unread", async () => {
  await using place = await fakePlace();
  const MNT_SERVER = await place.script("reader", "exec /bin/cat");
  const child = new Deno.Command(PROGRAM[0]!, {
    args: PROGRAM.slice(1),
    env: { ...place.env, MNT_SERVER },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("every\0byte\n"));
  await writer.close();
  const { stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), "every\0byte\n");
});

testWithMount(
  "P10: with a mount rest-server has one descriptor more, the target's lock",
  async () => {
    await using place = await fakePlace();
    const { prefix, env, args } = tmpfsOn(place);
    const bare = await descriptorsOf(place, "7</dev/zero", [FAKE_SERVER]);
    const command = [...prefix, ...PROGRAM, ...args];
    const wrapped = await descriptorsOf(place, "7</dev/zero", command, env);
    const more = [...wrapped].filter(([fd]) => !bare.has(fd)).map(([, link]) => link);
    assert.equal(more.length, 1, more.join(", "));
    assert.match(more[0]!, /\/restic-rest-server[^/]*\/.*%2Fmnt\.lock$/);
    for (const [fd, link] of bare) assert.equal(wrapped.get(fd), link);
  },
);

Deno.test("giving memory back, from time to time, fails at nothing where no descriptor is left", async () => {
  await using place = await fakePlace();
  const ffi = new URL("../../ffi/", import.meta.url);
  const script = `${place.path}/release.ts`;
  await Deno.writeTextFile(
    script,
    `import { openLibc } from "${ffi}libc.ts";
     import { releaseMemory } from "${ffi}memory.ts";
     const libc = openLibc();
     try {
       for (;;) Deno.openSync("/dev/null");
     } catch {
       releaseMemory(libc, "heap and code");
     }`,
  );
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", 'ulimit -n 64; exec "$@"', "sh", Deno.execPath(), "run", "--quiet", "-A", script],
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});
