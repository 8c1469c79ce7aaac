/** P10: the environment reaches rest-server as it came, less `MNT_*` and what Deno added. */
import assert from "node:assert/strict";
import { FAKE_SERVER, fakePlace, type Place, QUIET_ARGS } from "../support/fake_server.ts";
import { PROGRAM } from "../support/wrapper.ts";

/** Where Deno finds what it has downloaded, in an environment that is otherwise empty. */
const CACHE = ["HOME", "DENO_DIR", "XDG_CACHE_HOME"].flatMap((name) => {
  const value = Deno.env.get(name);
  return value === undefined ? [] : [`${name}=${value}`];
});

/** What the fake gets when a shell starts a command line in an environment made by `env -i`. */
async function environmentOf(
  place: Place,
  variables: readonly string[],
  command: readonly string[],
  shell = "",
): Promise<string[]> {
  const own = [...CACHE, `FAKE_DIR=${place.path}`, "FAKE_DO=exit 0", ...variables];
  const script = `${shell} exec env -i "$@"`;
  const { success, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", ...own, ...command],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return (await place.environment()).toSorted();
}

const viaProgram = [`MNT_SERVER=${FAKE_SERVER}`, ...PROGRAM, ...QUIET_ARGS];

async function assertSame(variables: readonly string[], shell?: string): Promise<void> {
  await using place = await fakePlace();
  const bare = await environmentOf(place, variables, [FAKE_SERVER, ...QUIET_ARGS], shell);
  const wrapped = await environmentOf(place, variables, viaProgram, shell);
  assert.deepEqual(wrapped, bare.filter((variable) => !variable.startsWith("DENO_")));
}

Deno.test("P10: rest-server's environment is the caller's, to the byte", async () => {
  await assertSame([
    "PATH=/usr/bin:/bin::.",
    "A=1",
    "EMPTY=",
    "B=two\nlines",
    "C=🦕",
    "D= = ",
    "PWD=/x",
  ]);
});

Deno.test("P10: values that are not UTF-8 survive", async () => {
  const shell = `set -- "$(printf 'RAW=\\377\\376 \\200')" "$@";`;
  await assertSame(["PATH=/usr/bin:/bin", "A=1"], shell);
});

// Deno's own directory is then the whole PATH; an empty one would mean the working directory.
Deno.test("P10: without PATH rest-server gets none, too", () => assertSame(["A=1"]));

Deno.test("P10: variables of this program are not rest-server's to see", async () => {
  await using place = await fakePlace();
  const variables = ["PATH=/bin", "MNT_LOG=json", "MNT_STOP=5", "XMNT_A=1", "mnt_b=2", "MNTC=3"];
  const seen = await environmentOf(place, variables, viaProgram);
  assert.deepEqual(seen.filter((variable) => /mnt/i.test(variable)), [
    "MNTC=3",
    "XMNT_A=1",
    "mnt_b=2",
  ]);
});

/** Starts the program as service managers start a socket-activated service: with two sockets, 3 and 4. */
async function activated(place: Place, pid: string): Promise<{ pid: string; variables: string[] }> {
  await using wrapper = place.start({
    env: { FAKE_DO: "exit 0", LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b" },
    prefix: [
      "/bin/sh",
      "-c",
      `export LISTEN_PID=${pid}; exec "$@" 3</dev/zero 4</dev/null`,
      "sh",
    ],
  });
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
  const descriptors = await place.descriptors();
  assert.equal(descriptors.get(3), "/dev/zero");
  assert.equal(descriptors.get(4), "/dev/null");
  const variables = await place.environment();
  return {
    pid: (await place.status()).get("Pid")!,
    variables: variables.filter((variable) => variable.startsWith("LISTEN_")).toSorted(),
  };
}

Deno.test("P10: LISTEN_PID of a socket activation names rest-server's own process", async () => {
  await using place = await fakePlace();
  const { pid, variables } = await activated(place, "$$");
  assert.deepEqual(variables, ["LISTEN_FDNAMES=a:b", "LISTEN_FDS=2", `LISTEN_PID=${pid}`]);
});

Deno.test("P10: LISTEN_PID that is meant for another process stays as it came", async () => {
  await using place = await fakePlace();
  const { variables } = await activated(place, "1");
  assert.deepEqual(variables, ["LISTEN_FDNAMES=a:b", "LISTEN_FDS=2", "LISTEN_PID=1"]);
});
