/** P1: no disk but the one asked for, however much another one looks like it. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { btrfsPair, loopDisk, randomLabel } from "../support/disk.ts";
import { mountsOn, place, systemTest } from "../support/system.ts";

await systemTest(
  ["program:partx"],
  "a partition whose PARTUUID is the UUID asked for is passed over",
  async () => {
    const uuid = crypto.randomUUID();
    await using decoy = await loopDisk({ fstype: "ext4", partition: { uuid, label: "decoy" } });
    await using where = await place();
    {
      await using wrapper = where.serve({ source: `UUID=${uuid}`, env: { MNT_WAIT: "1" } });
      assert.equal(await wrapper.code(), 69);
      await wrapper.errLine(new RegExp(`it is the PARTUUID of "${decoy.path}"`));
    }
    await using disk = await loopDisk({ fstype: "ext4", uuid });
    await using wrapper = where.serve({ source: `UUID=${uuid}` });
    await wrapper.listening();
    assert.deepEqual(mountsOn(where.target).map((mount) => mount.mountSource), [disk.path]);
  },
);

await systemTest(
  ["program:mkfs.btrfs"],
  "a btrfs whose UUID_SUB is the UUID asked for is passed over",
  async () => {
    await using btrfs = await loopDisk({ fstype: "btrfs" });
    const uuid = await run("blkid", "-c", "/dev/null", "-o", "value", "-s", "UUID_SUB", btrfs.path);
    await using where = await place();
    await using wrapper = where.serve({ source: `UUID=${uuid}`, env: { MNT_WAIT: "1" } });
    assert.equal(await wrapper.code(), 69);
    await wrapper.errLine(new RegExp(`it is the UUID_SUB of "${btrfs.path}"`));
    assert.deepEqual(mountsOn(where.target), []);
  },
);

for (const tag of ["LABEL", "UUID"] as const) {
  await systemTest(
    [],
    `two disks with one ${tag}: ambiguous, both named, neither mounted`,
    async () => {
      const value = tag === "LABEL" ? randomLabel() : crypto.randomUUID();
      const options = tag === "LABEL" ? { label: value } : { uuid: value };
      await using first = await loopDisk({ fstype: "ext4", ...options });
      await using second = await loopDisk({ fstype: "ext4", ...options });
      await using where = await place();
      const source = `${tag}=${value}`;
      const ambiguous = (line: string) =>
        line.includes("ambiguous") &&
        [first, second].every(({ path }) => line.includes(`"${path}"`));
      {
        await using wrapper = where.serve({ source, env: { MNT_WAIT: "1" } });
        assert.equal(await wrapper.code(), 69);
        assert.ok(ambiguous(wrapper.errLines.at(-1)!), wrapper.errLines.join("\n"));
      }
      await using wrapper = where.serve({ source });
      assert.ok(ambiguous((await wrapper.errLine(/ambiguous/)).input));
      assert.deepEqual(mountsOn(where.target), []);
      await first.detach();
      await wrapper.listening();
      assert.deepEqual(mountsOn(where.target).map((mount) => mount.mountSource), [second.path]);
    },
  );
}

await systemTest(
  ["program:mkfs.btrfs"],
  "a copy of a btrfs member: ambiguous, both named; served once the copy is pulled",
  async () => {
    await using pair = await btrfsPair();
    const [first, second] = pair.members;
    await using copy = await loopDisk({ fstype: null, sizeBytes: 128 * 1024 ** 2 });
    await run("dd", `if=${second.image}`, `of=${copy.path}`, "bs=1M", "conv=sparse", "status=none");
    await first.attach();
    await second.attach();
    await using where = await place();
    await using wrapper = where.serve({ source: `UUID=${first.uuid}` });
    const { input } = await wrapper.errLine(/ambiguous, they are copies of one btrfs member/);
    assert.ok([second, copy].every(({ path }) => input.includes(`"${path}"`)), input);
    await copy.detach();
    await wrapper.listening();
    assert.equal(mountsOn(where.target).length, 1);
  },
);
