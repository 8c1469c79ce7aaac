/** How long the program waits for its disk, and how rarely it asks blkid meanwhile. */
import assert from "node:assert/strict";
import { fakePlace, type Place, testWithMount, tmpfsOn, waiting } from "../support/fake_server.ts";
import { until } from "../support/wait.ts";

/** Prints a line for each device of /proc/partitions, and counts how often it was asked. */
const BLKID = [
  'echo asked >>"$FAKE_DIR/asked"',
  "code=2",
  "while read -r _ _ _ name; do",
  '  case $name in sd*) code=0; echo "/dev/$name: LABEL=\\"$name\\"" ;; esac',
  "done </proc/partitions",
];

/** Waits for a disk that nobody has, as long as `MNT_WAIT` says. */
async function waitingFor(place: Place, wait?: string) {
  const { args, env } = await waiting(place, { blkid: [...BLKID, "exit $code"] });
  return { args, env: { ...env, ...(wait === undefined ? {} : { MNT_WAIT: wait }) } };
}

const timesAsked = async ({ path }: Place) =>
  (await Deno.readTextFile(`${path}/asked`)).split("\n").length - 1;

for (const [wait, seconds] of [["0", 0], ["0.5", 0.5], ["1", 1]] as const) {
  Deno.test(`MNT_WAIT=${wait}: without the disk it ends with 69 after ${seconds} s`, async () => {
    await using place = await fakePlace();
    const startMs = performance.now();
    await using wrapper = place.start(await waitingFor(place, wait));
    assert.equal(await wrapper.code(), 69);
    assert.ok(performance.now() - startMs >= seconds * 1000);
    const line =
      /error: Cannot find LABEL=nobody-has-this: no such device; .*; gave up after \d s \(MNT_WAIT\)$/;
    assert.match(wrapper.errLines.at(-1)!, line);
    assert.equal(wrapper.errLines.length, wait === "0" ? 1 : 2);
    assert.equal(await place.started(), false);
  });
}

Deno.test("a path that is not there is waited for without asking blkid at all", async () => {
  await using place = await fakePlace();
  const { env, args } = await waitingFor(place);
  const MNT_SOURCE = "/dev/nobody-has-this";
  await using wrapper = place.start({
    args: args!,
    env: { ...env, MNT_SOURCE, MNT_FSTYPE: "ext4" },
  });
  await wrapper.errLine(
    /waiting for \/dev\/nobody-has-this: no such device; UUID= finds a disk under any name$/,
  );
  await assert.rejects(Deno.stat(`${place.path}/asked`), Deno.errors.NotFound);
});

Deno.test("a path that is no disk is a fault of the configuration: 78", async () => {
  for (const source of ["/etc/passwd", "/dev", "/dev/null"]) {
    await using place = await fakePlace();
    const { env, args } = await waitingFor(place);
    await using wrapper = place.start({ args: args!, env: { ...env, MNT_SOURCE: source } });
    assert.equal(await wrapper.code(), 78);
    const line = new RegExp(
      `error: Cannot mount "${source}": it is a [a-z ]+, not a block device; set MNT_SOURCE to `,
    );
    assert.match(wrapper.errLines.at(-1)!, line);
  }
});

testWithMount(
  "MNT_WAIT also ends the attempts to mount: 32, with the kernel's reason",
  async () => {
    for (const wait of ["0", "1"]) {
      await using place = await fakePlace();
      const disk = tmpfsOn(place);
      const env = { ...disk.env, MNT_DATA: "no_such_option=1", MNT_WAIT: wait };
      await using wrapper = place.start({ ...disk, env });
      assert.equal(await wrapper.code(), 32);
      assert.match(wrapper.errLines.at(-1)!, /error: Cannot mount "tmpfs" on .*: EINVAL .*gave up/);
      assert.equal(wrapper.errLines.length, wait === "0" ? 1 : 2, "each distinct failure once");
    }
  },
);

/** A machine of the test's own making: its /proc/partitions and its /dev, which other tests do not touch. */
async function ownMachine(place: Place) {
  const dev = `${place.path}/dev`;
  const partitions = `${place.path}/partitions`;
  const script = `
    mount --bind /dev/null '${dev}/null' && mount --rbind '${dev}' /dev &&
    mount --bind '${partitions}' /proc/partitions && exec "$@"`;
  const show = (names: readonly string[]) =>
    Deno.writeTextFile(partitions, names.map((name) => `8 0 1024 ${name}\n`).join(""));
  await Deno.mkdir(dev);
  await Deno.writeTextFile(`${dev}/null`, "");
  await show([]);
  return {
    prefix: [...tmpfsOn(place).prefix, "/bin/sh", "-c", script, "sh"],
    show,
    node: (name: string) => Deno.writeTextFile(`${dev}/${name}`, ""),
  };
}

testWithMount("blkid is not asked again while nothing changes", async () => {
  await using place = await fakePlace();
  const machine = await ownMachine(place);
  await using wrapper = place.start({ ...machine, ...await waitingFor(place, "2.5") });
  await wrapper.errLine(/waiting for LABEL=nobody-has-this/);
  // Some other node is no disk.
  await machine.node("ttyUSB0");
  assert.equal(await wrapper.code(), 69);
  assert.equal(await timesAsked(place), 1);
});

testWithMount("blkid is asked once for a burst of 64 disks", async () => {
  await using place = await fakePlace();
  const machine = await ownMachine(place);
  await using wrapper = place.start({ ...machine, ...await waitingFor(place) });
  await wrapper.errLine(/blkid sees no devices at all/);
  const names = Array.from({ length: 64 }, (_, i) => `sd${i}`);
  // As fast as the kernel, however slow this process is: the burst is there at once for who looks again.
  wrapper.signal("SIGSTOP");
  await machine.show(names);
  for (const name of names) await machine.node(name);
  wrapper.signal("SIGCONT");
  await wrapper.errLine(/blkid sees \/dev\/sd0, .*\/dev\/sd63(;|$)/);
  const startMs = performance.now();
  await until(() => performance.now() - startMs > 500, "the time for a question too many");
  assert.equal(await timesAsked(place), 2);
});

testWithMount("blkid is asked again for a disk that is written to, such as by mkfs", async () => {
  await using place = await fakePlace();
  const machine = await ownMachine(place);
  await machine.show(["sda"]);
  await using wrapper = place.start({ ...machine, ...await waitingFor(place) });
  await wrapper.errLine(/blkid sees \/dev\/sda \(LABEL=sda\)(;|$)/);
  await place.script("blkid", ...BLKID, `echo '/dev/sdmade: LABEL="made"'`);
  await machine.node("sda");
  await wrapper.errLine(/blkid sees \/dev\/sda \(LABEL=sda\), \/dev\/sdmade \(LABEL=made\)(;|$)/);
});
