/** P3: one program a target. */
import assert from "node:assert/strict";
import { lockName } from "../../mod/lock.ts";
import { chooseRunDirectory } from "../../mod/run_directory.ts";
import { fakePlace, type Place, testWithMount, tmpfsOn, waiting } from "../support/fake_server.ts";

const WAITING = /waiting for LABEL=nobody-has-this/;

/** The lock file of a target without symlinks. */
async function lockFile(place: Place, target: string): Promise<string> {
  const directory = await chooseRunDirectory({ XDG_RUNTIME_DIR: place.path });
  return `${directory}/${await lockName(target)}`;
}
const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("P3: a second program on one target is refused and names the first: 75", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  const options = await waiting(place, { target });
  const file = await lockFile(place, target);
  {
    await using first = place.start(options);
    await first.errLine(WAITING);
    assert.equal(JSON.parse(await Deno.readTextFile(file)).wrapper.pid, first.pid);
    for (let attempt = 0; attempt < 2; attempt++) {
      await using second = place.start(options);
      assert.equal(await second.code(), 75);
      const line =
        `error: Cannot use "${target}": another restic-rest-server, process ${first.pid}, ` +
        "serves it; stop that one first, or set another MNT_TARGET";
      assert.ok(second.errLines.join("\n").endsWith(line), second.errLines.join("\n"));
      assert.equal(second.errLines.length, 1);
    }
    assert.ok(await isThere(file), "the refused one must leave the lock alone");
    first.signal("SIGTERM");
    assert.equal(await first.code(), 0);
  }
  assert.equal(await isThere(file), false);
});

Deno.test("P3: a target that is reached through a symlink is the same target", async () => {
  await using place = await fakePlace();
  await Deno.mkdir(`${place.path}/real`);
  await Deno.symlink("real", `${place.path}/link`);
  await using first = place.start(await waiting(place, { target: `${place.path}/link/mnt` }));
  await first.errLine(WAITING);
  await using second = place.start(await waiting(place, { target: `${place.path}/real/./mnt/` }));
  assert.equal(await second.code(), 75);
  assert.ok(second.errLines[0]!.includes(`process ${first.pid}, `));
});

Deno.test("two targets have two locks", async () => {
  await using place = await fakePlace();
  await using first = place.start(await waiting(place, { target: `${place.path}/a` }));
  await using second = place.start(await waiting(place, { target: `${place.path}/b` }));
  await Promise.all([first.errLine(WAITING), second.errLine(WAITING)]);
});

Deno.test("P3: of several programs that start at one moment one gets the target", async () => {
  await using place = await fakePlace();
  const options = await waiting(place, { target: `${place.path}/mnt` });
  const all = Array.from({ length: 4 }, () => place.start(options));
  try {
    const outcome = await Promise.all(
      all.map((wrapper) => wrapper.errLine(/waiting for|Cannot use/)),
    );
    const waits = outcome.filter(([line]) => line.startsWith("waiting"));
    assert.equal(waits.length, 1);
  } finally {
    for (const wrapper of all) await wrapper[Symbol.asyncDispose]();
  }
});

const LEFT = {
  "a process that is gone": { pid: 2 ** 22 + 1, startTime: "1" },
  // Process 1 lives, but it began at another time: its number was used again.
  "a number that was used again": { pid: 1, startTime: "18446744073709551615" },
};
for (const [what, wrapper] of Object.entries(LEFT)) {
  Deno.test(`P3: a lock file left by ${what} is taken over`, async () => {
    await using place = await fakePlace();
    const target = `${place.path}/mnt`;
    const file = await lockFile(place, target);
    await Deno.writeTextFile(file, JSON.stringify({ target, wrapper, server: wrapper }));
    await using first = place.start(await waiting(place, { target }));
    await first.errLine(WAITING);
    assert.equal(JSON.parse(await Deno.readTextFile(file)).wrapper.pid, first.pid);
    first.signal("SIGTERM");
    assert.equal(await first.code(), 0);
    assert.equal(await isThere(file), false);
  });
}

Deno.test("P3: a lock file that is empty, cut short or garbage is taken over", async () => {
  for (const text of ["", '{"target":"/m', "null", "[]", '{"wrapper":{"pid":"1"}}', "\xff\0"]) {
    await using place = await fakePlace();
    const target = `${place.path}/mnt`;
    await Deno.writeTextFile(await lockFile(place, target), text);
    await using first = place.start(await waiting(place, { target }));
    await first.errLine(WAITING);
  }
});

Deno.test("P3: the mount of an earlier run is still known after one that never came to it", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  const file = await lockFile(place, target);
  const mount = { mountId: 1, majorMinor: "8:1", fsType: "ext4", mountSource: "/dev/gone" };
  const left = { target, wrapper: { pid: 1, startTime: "never" }, mount };
  await Deno.writeTextFile(file, JSON.stringify(left));
  await using wrapper = place.start(await waiting(place, { target }));
  await wrapper.errLine(WAITING);
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0);
  assert.deepEqual(JSON.parse(await Deno.readTextFile(file)).mount, mount);
});

Deno.test("P3: a lock that some other process holds is respected, and that one named: 75", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  const path = await lockFile(place, target);
  using file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  try {
    await using wrapper = place.start(await waiting(place, { target }));
    assert.equal(await wrapper.code(), 75);
    assert.match(
      wrapper.errLines[0]!,
      new RegExp(`error: Cannot use ".*": process ${Deno.pid} \\("\\w+"\\) holds ".*\\.lock"; `),
    );
  } finally {
    await Deno.remove(path);
  }
});

testWithMount("P3: the lock is held while rest-server serves, and gone after it", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  {
    await using first = place.start(disk);
    await first.outLine(/^ready$/);
    await using second = place.start(disk);
    assert.equal(await second.code(), 75);
    assert.ok(second.errLines[0]!.includes(`process ${first.pid}, serves it`));
    first.signal("SIGTERM");
    assert.equal(await first.code(), 0);
  }
  await using third = place.start({ ...disk, env: { ...disk.env, FAKE_DO: "exit 5" } });
  assert.equal(await third.code(), 5);
});
