/** What each signal does while rest-server serves. */
import assert from "node:assert/strict";
import { type SignalName, SIGNALS } from "../../mod/linux.ts";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";
import {
  childOf,
  fakePlace,
  gotSignals,
  ownLines,
  QUIET_ARGS,
  testWithMount,
  tmpfsOn,
} from "../support/fake_server.ts";
import { LIMIT_MS, until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

const WITH_PASSWORDS = QUIET_ARGS.filter((arg) => arg !== "--no-auth");
const named = (action: string) =>
  FORWARDED_SIGNALS.filter((row) => row.action === action).map(({ name }) => name);

/** Sends a signal and waits until the fake has it. */
async function pass(wrapper: Wrapper, name: SignalName, number: number): Promise<void> {
  const from = wrapper.outLines.length;
  wrapper.signal(name as Deno.Signal);
  await wrapper.outLine(new RegExp(`^got ${number}$`), from);
}

for (const name of named("stop")) {
  Deno.test(`serving: ${name} is passed on once and ends with 0`, async () => {
    await using place = await fakePlace();
    await using wrapper = place.start();
    await wrapper.outLine(/^ready$/);
    wrapper.signal(name as Deno.Signal);
    assert.equal(await wrapper.code(), 0);
    assert.deepEqual(gotSignals(wrapper), [name]);
    assert.match(
      wrapper.errLines.at(-2)!,
      new RegExp(`: ${name}: stopping rest-server \\(process`),
    );
    assert.match(wrapper.errLines.at(-1)!, /: rest-server has stopped$/);
  });
}

Deno.test("serving: each other signal of the table is passed on, and none of them means stop", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ args: WITH_PASSWORDS });
  await wrapper.outLine(/^ready$/);
  const names = [...named("pass"), ...named("reload")];
  for (const name of names) {
    const from = wrapper.outLines.length;
    wrapper.signal(name as Deno.Signal);
    await wrapper.outLine(/^got /, from);
  }
  assert.deepEqual(gotSignals(wrapper), names);
  await wrapper.errLine(/: serving without a mount/);
  assert.equal(ownLines(wrapper).length, 2, "passing a signal on is nothing to talk about");
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

Deno.test("serving: SIGHUP is kept from a rest-server with --no-auth, which would die of it", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start();
  await wrapper.outLine(/^ready$/);
  wrapper.signal("SIGHUP");
  // Two rounds: two signals that come at once can be handled in any order.
  await pass(wrapper, "SIGUSR2", 12);
  await pass(wrapper, "SIGUSR2", 12);
  assert.deepEqual(gotSignals(wrapper), ["SIGUSR2", "SIGUSR2"]);
});

// Any signal listener makes Deno take SIGHUP, too, and the runtime would end of one that nobody listens for.
Deno.test("serving: SIGHUP that was ignored at start, as under nohup, stays ignored by both", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({
    args: WITH_PASSWORDS,
    prefix: ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh"],
  });
  await wrapper.outLine(/^ready$/);
  const ignored = Number(`0x${(await place.status()).get("SigIgn")!.slice(-8)}`);
  assert.equal(ignored & 1, 1, "rest-server must inherit that SIGHUP is ignored");
  wrapper.signal("SIGHUP");
  await pass(wrapper, "SIGUSR2", 12);
  await pass(wrapper, "SIGUSR2", 12);
  assert.deepEqual(gotSignals(wrapper), ["SIGUSR2", "SIGUSR2"]);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});

// From half a second after its start on Deno by itself opens its debugger on 127.0.0.1:9229 at a SIGUSR1:
// whoever has an account on the machine could then run code as root.
Deno.test("serving: SIGUSR1 opens no debugger, however long the program runs", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start();
  await wrapper.outLine(/^ready$/);
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 1000, "the time at which Deno takes SIGUSR1");
  wrapper.signal("SIGUSR1");
  await pass(wrapper, "SIGUSR2", 12);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  assert.deepEqual(wrapper.errLines, ownLines(wrapper));
});

Deno.test("serving: rest-server starts with no signal blocked and none ignored", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ env: { FAKE_DO: "exit 0" } });
  await wrapper.code();
  const status = await place.status();
  assert.match(status.get("SigBlk")!, /^0+$/);
  // glibc's posix_spawn(3) leaves its own two, 32 and 33, ignored; no program can tell.
  assert.match(status.get("SigIgn")!, /^0+[01]80000000$/);
});

Deno.test("serving: Ctrl-C, SIGINT for the whole process group, ends with 0 and is said at most once", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({ prefix: ["setsid"] });
  await wrapper.outLine(/^ready$/);
  Deno.kill(-wrapper.pid, "SIGINT");
  assert.equal(await wrapper.code(), 0);
  // None where rest-server's own end was seen first.
  assert.ok(wrapper.errLines.filter((line) => line.includes("SIGINT: ")).length <= 1);
});

// The end of rest-server can be seen before the program's own copy of the signal.
Deno.test("serving: Ctrl-C that ends a rest-server by the signal itself is a clean stop, too", async () => {
  await using place = await fakePlace();
  // As rest-server in its first moments, before it has a handler.
  const MNT_SERVER = await place.script(
    "mortal",
    `/usr/bin/mkfifo ${place.path}/wait; echo ready; read -r _ <${place.path}/wait`,
  );
  for (let time = 0; time < 10; time++) {
    await using wrapper = place.start({ prefix: ["setsid"], env: { MNT_SERVER } });
    await wrapper.outLine(/^ready$/);
    Deno.kill(-wrapper.pid, "SIGINT");
    assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
  }
});

/** Looks without a pause: the moment is what matters. */
async function soon(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error("the moment did not come");
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** By the last signal of the table: Deno takes the first ones from the kernel before it knows their listeners. */
function takesSignals(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]!;
  return ((BigInt(`0x${mask}`) >> BigInt(SIGNALS.SIGPWR - 1)) & 1n) === 1n;
}

Deno.test("starting: SIGTERM from the first moment on ends with 0, with no rest-server left", async () => {
  for (const moment of ["listening", "started"] as const) {
    await using place = await fakePlace();
    await using wrapper = place.start();
    if (moment === "listening") await soon(() => takesSignals(wrapper.pid));
    else await childOf(wrapper.pid);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0, `${moment}:\n${wrapper.errLines.join("\n")}`);
  }
});

testWithMount(
  "serving on a mount: SIGTERM stops rest-server, then unmounts, then ends with 0",
  async () => {
    await using place = await fakePlace();
    await using wrapper = place.start(tmpfsOn(place));
    await wrapper.outLine(/^ready$/);
    await wrapper.errLine(/: serving "/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    const said = wrapper.errLines.map((line) => line.replace(/^.*restic-rest-server: /, ""));
    assert.deepEqual(said.map((line) => line.replace(/ ["(].*$/, "")), [
      "mounted",
      "serving",
      "SIGTERM: stopping rest-server",
      "rest-server has stopped",
      "unmounted",
    ]);
  },
);

testWithMount("starting: SIGUSR1 at any moment ends nothing", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start(tmpfsOn(place));
  // From the moment on that it is taken care of; unshare(1) becomes the program by execve(2).
  const isTaken = /^Sig(?:Cgt|Ign):\t[0-9a-f]*[2367abef][0-9a-f]{2}$/m;
  // Without a pause: what has to be hit lasts for some milliseconds.
  while (!isTaken.test(Deno.readTextFileSync(`/proc/${wrapper.pid}/status`)));
  let ready = false;
  const waiting = wrapper.outLine(/^ready$/).then(() => ready = true);
  while (!ready) {
    for (let i = 0; i < 1000; i++) Deno.kill(wrapper.pid, "SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve));
  }
  await waiting;
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
});
