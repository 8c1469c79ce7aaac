/** sd_notify(3), against a socket that speaks the protocol. */
import assert from "node:assert/strict";
import { fakePlace, QUIET_ARGS, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { NotifyReceiver } from "../support/notify_socket.ts";
import { isRunning } from "../support/processes.ts";
import { until } from "../support/wait.ts";

const NOTIFIED = /^(NOTIFY_|WATCHDOG_)/;

Deno.test("without a mount it is ready when rest-server runs, which sees nothing of it", async () => {
  await using place = await fakePlace();
  using manager = new NotifyReceiver(`${place.path}/notify`);
  const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "60000000" };
  await using wrapper = place.start({ env });
  await wrapper.outLine(/^ready$/);
  const { pid, text } = await manager.message(/READY=1/);
  assert.equal(text, "READY=1\nSTATUS=serving without a mount\n");
  assert.equal(pid, wrapper.pid);
  assert.deepEqual((await place.environment()).filter((line) => NOTIFIED.test(line)), []);
  const sockets = [...(await place.descriptors()).values()].filter((link) => /^socket:/.test(link));
  assert.deepEqual(sockets, []);

  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  const texts = manager.read().map(({ text }) => text).slice(1);
  assert.deepEqual(texts.toSorted(), [
    "STATUS=stopping rest-server\n",
    "STOPPING=1\nEXTEND_TIMEOUT_USEC=120000000\n",
  ]);
  assert.ok(manager.messages.every((message) => message.pid === wrapper.pid));
});

Deno.test("a disk that is not there holds up nothing: ready at once, by an abstract socket, too", async () => {
  await using place = await fakePlace();
  using manager = new NotifyReceiver(`@${place.path}`);
  const blkid = await place.script("blkid", "exit 2");
  const target = `${place.path}/mnt`;
  await using wrapper = place.start({
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
    env: {
      NOTIFY_SOCKET: manager.name,
      ...{ MNT_SOURCE: "LABEL=not-there", MNT_TARGET: target, MNT_BLKID: blkid },
    },
  });
  const { text } = await manager.message(/READY=1/);
  assert.equal(text, "READY=1\nSTATUS=waiting for LABEL=not-there\n");
  await manager.message(/^STATUS=waiting for LABEL=not-there: no such device/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  assert.match(manager.read().at(-1)!.text, /^STOPPING=1\n/);
  assert.equal(await place.started(), false);
});

testWithMount("each phase is told", async () => {
  await using place = await fakePlace();
  using manager = new NotifyReceiver(`${place.path}/notify`);
  const { env, target, ...rest } = tmpfsOn(place);
  await using wrapper = place.start({ ...rest, env: { ...env, NOTIFY_SOCKET: manager.name } });
  await wrapper.outLine(/^ready$/);
  await manager.message(/STATUS=serving/);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  const told = manager.read().flatMap(({ text }) => text.split("\n")).filter(Boolean);
  const stop = ["STOPPING=1", "EXTEND_TIMEOUT_USEC=120000000"];
  assert.deepEqual(told.filter((line) => !stop.includes(line)), [
    "READY=1",
    "STATUS=waiting for tmpfs",
    `STATUS=mounting "tmpfs" on "${target}"`,
    `STATUS=serving "${target}/restic" from "tmpfs"`,
    "STATUS=stopping rest-server",
    `STATUS=unmounting "${target}"`,
  ]);
  assert.deepEqual(told.filter((line) => stop.includes(line)), stop);
});

Deno.test("signs of life come as long as the event loop runs, and no longer", async () => {
  await using place = await fakePlace();
  using manager = new NotifyReceiver(`${place.path}/notify`);
  const env = { NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: "100000" };
  await using wrapper = place.start({ env });
  const lives = () => manager.read().filter(({ text }) => text === "WATCHDOG=1\n").length;
  await until(() => lives() >= 3, "three signs of life");
  wrapper.signal("SIGSTOP");
  // Once it is stopped, what is under way has been read.
  await until(
    async () => /\) T /.test(await Deno.readTextFile(`/proc/${wrapper.pid}/stat`)),
    "a stopped process",
  );
  const stopped = lives();
  wrapper.signal("SIGCONT");
  await until(() => lives() > stopped, "signs of life again");
});

Deno.test("a failure before rest-server runs is a status, and no READY", async () => {
  await using place = await fakePlace();
  using manager = new NotifyReceiver(`${place.path}/notify`);
  await using wrapper = place.start({
    env: { NOTIFY_SOCKET: manager.name, MNT_SERVER: "/nowhere/rest-server" },
  });
  assert.equal(await wrapper.code(), 127);
  const texts = manager.read().map(({ text }) => text);
  assert.equal(texts.length, 1);
  assert.match(texts[0]!, /^STATUS=starting; last failure: Cannot find rest-server: [^\n]*\n$/);
});

Deno.test("a manager that is gone, or a name that is none, is said once; it serves all the same", async () => {
  await using place = await fakePlace();
  for (const name of [`${place.path}/nobody`, "vsock:2:1"]) {
    await using wrapper = place.start({ env: { NOTIFY_SOCKET: name } });
    await wrapper.outLine(/^ready$/);
    await wrapper.errLine(/warning: Cannot .*NOTIFY_SOCKET/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    assert.equal(isRunning(wrapper.pid), false);
    assert.equal(wrapper.errLines.filter((line) => line.includes("NOTIFY_SOCKET")).length, 1);
  }
});
