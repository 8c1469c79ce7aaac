/** P5: rest-server can write below the mount and into the files of its flags, and nowhere else. */
import assert from "node:assert/strict";
import { landlockVersion } from "../../ffi/landlock.ts";
import { openLauncherLibc } from "../../ffi/libc.ts";
import { run } from "../support/command.ts";
import { fakePlace, type Place, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import type { Wrapper } from "../support/wrapper.ts";

const PROBE = new URL("../support/sandbox_probe.js", import.meta.url).pathname;
const version = landlockVersion(openLauncherLibc());

/** A test that needs Landlock, from a version on. */
function sandboxTest(name: string, fn: () => Promise<void>, since = 1): void {
  if (version >= since) testWithMount(name, fn);
  else {testWithMount.ignore(
      `${name} [ignored: this kernel has Landlock ${version}, not ${since}]`,
      fn,
    );}
}

/** What the probe finds in each of its directories; `$2` is outside. */
const PREPARE =
  'mkdir -p "$1/empty" && cd "$1" && for name in file other out in; do echo x >$name; ' +
  'done && ln -sfn "$2" link';

/** The probe behind the program, on a tmpfs. */
class Probe implements AsyncDisposable {
  private constructor(
    readonly wrapper: Wrapper,
    readonly target: string,
    readonly peer: Deno.TcpListener,
  ) {}

  /** Starts it; its directories are prepared: outside, on the mount, and below the mount. */
  static async start(place: Place, env: Record<string, string> = {}): Promise<Probe> {
    const { target, ...disk } = tmpfsOn(place);
    const outside = `${place.path}/outside`;
    await Deno.mkdir(outside);
    await Deno.mkdir(target);
    for (const path of [outside, target]) await run("sh", "-c", PREPARE, "sh", path, outside);
    const peer = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    free.close();
    const MNT_SERVER = await place.script(
      "probe",
      `exec "${Deno.execPath()}" run -A --quiet --no-config --no-lock --no-code-cache "${PROBE}"`,
    );
    const variables = {
      MNT_SERVER,
      MNT_SANDBOX: "on",
      // The mount is taken away below, and its loss is not what is tested here.
      MNT_WATCH: "0",
      INSIDE: target,
      OUTSIDE: outside,
      PEER_PORT: String(peer.addr.port),
      FREE_PORT: String(free.addr.port),
      PEER_PID: String(Deno.pid),
    };
    const wrapper = place.start({ ...disk, env: { ...disk.env, ...variables, ...env } });
    await wrapper.outLine(/^ready$/);
    const probe = new Probe(wrapper, target, peer);
    await probe.outside("sh", "-c", PREPARE, "sh", target, outside);
    return probe;
  }

  /** Runs a program in the mount namespace, but not in the sandbox. */
  async outside(...words: string[]): Promise<void> {
    const namespaces = ["-t", String(this.wrapper.pid), "-U", "-m", "--preserve-credentials"];
    await run("nsenter", ...namespaces, "--", ...words);
  }

  /** What the probe could do now. */
  async round(): Promise<Record<string, string>> {
    const before = this.wrapper.outLines.length;
    this.wrapper.signal("SIGUSR2");
    return JSON.parse((await this.wrapper.outLine(/^\{.*\}$/, before))[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.peer.close();
    await this.wrapper[Symbol.asyncDispose]();
  }
}

/** What of a round was done. */
function done(results: Record<string, string>): string[] {
  return Object.keys(results).filter((what) => results[what] === "done").toSorted();
}

/** What rest-server may do on its disk. */
const STORE = ["create", "write", "truncate", "rename", "link", "mkdir", "rmdir", "remove"];
/** What it may do everywhere. */
const READ = ["read", "list"];
const at = (where: string, ...whats: string[]) => whats.map((what) => `${what} ${where}`);

sandboxTest(
  "P5: below the mount a store can be kept, elsewhere nothing can be changed",
  async () => {
    await using place = await fakePlace();
    await using probe = await Probe.start(place);
    const expected = [...at("inside", ...READ, ...STORE), ...at("outside", ...READ)];
    assert.deepEqual(done(await probe.round()), expected.toSorted());
  },
  6,
);

sandboxTest(
  "P5: without its mount, pulled from under it, it cannot write into the directory below",
  async () => {
    await using place = await fakePlace();
    await using probe = await Probe.start(place);
    await probe.outside("umount", "--lazy", probe.target);
    const expected = [...at("inside", ...READ), ...at("outside", ...READ)];
    assert.deepEqual(done(await probe.round()), expected.toSorted());
    assert.deepEqual(
      [...Deno.readDirSync(probe.target)].map(({ name }) => name).toSorted(),
      ["empty", "file", "in", "link", "other", "out"],
    );
  },
  6,
);

sandboxTest("MNT_SANDBOX=off: there is no sandbox, and the probe does see it", async () => {
  await using place = await fakePlace();
  await using probe = await Probe.start(place, { MNT_SANDBOX: "off" });
  const results = await probe.round();
  const refused = Object.keys(results).filter((what) => results[what] === "refused");
  // Two file systems: that needs no sandbox to fail.
  assert.deepEqual(refused, ["rename out", "rename in", "link out"]);
});
