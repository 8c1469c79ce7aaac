/** Each file system for real: served on, stopped, unmounted, clean. */
import assert from "node:assert/strict";
import { btrfsPair, type DiskType, loopDisk } from "../support/disk.ts";
import { resticRoundTrip } from "../support/restic.ts";
import { fsck, mountsOn, type Place, place, stopCleanly, systemTest } from "../support/system.ts";
import type { ServeOptions } from "../support/system.ts";

/** Serves on the source with P1, P2 and P8 held at both ends. */
async function servesAndStops(
  where: Place,
  fstype: string,
  options: ServeOptions,
  use: (address: string) => Promise<void> = async () => {},
): Promise<void> {
  await using wrapper = where.serve(options);
  const address = await wrapper.listening();
  assert.deepEqual(mountsOn(where.target).map((mount) => mount.fsType), [fstype]);
  await use(address);
  await stopCleanly(wrapper, where.target);
}

const SINGLE: { fstype: DiskType; backup: boolean }[] = [
  { fstype: "ext4", backup: true },
  { fstype: "xfs", backup: false },
  { fstype: "btrfs", backup: false },
];

for (const { fstype, backup } of SINGLE) {
  const what = backup ? "a backup comes back from it" : "is served";
  await systemTest(
    [`program:mkfs.${fstype}`],
    `${fstype}: ${what}, unmounted clean`,
    async () => {
      await using disk = await loopDisk({ fstype });
      await using where = await place();
      await servesAndStops(
        where,
        fstype,
        { source: `UUID=${disk.uuid}` },
        backup ? (address) => resticRoundTrip(address, where.directory) : undefined,
      );
      await fsck(fstype, disk);
    },
  );
}

await systemTest(
  ["program:mkfs.btrfs"],
  "btrfs of two members: found by UUID, LABEL and the path of either one; a backup comes back",
  async () => {
    await using pair = await btrfsPair();
    const { members } = pair;
    await using where = await place();
    for (const member of members) await member.attach();
    const [first, second] = members;
    const sources = [`LABEL=${first.label}`, first.path, second.path];
    for (const source of sources) await servesAndStops(where, "btrfs", { source });
    await servesAndStops(
      where,
      "btrfs",
      { source: `UUID=${first.uuid}` },
      (address) => resticRoundTrip(address, where.directory),
    );
    await fsck("btrfs", second);
  },
);

await systemTest([], "tmpfs: a source that is no device is served", async () => {
  await using where = await place();
  await servesAndStops(
    where,
    "tmpfs",
    { source: "tmpfs", env: { MNT_FSTYPE: "tmpfs", MNT_DATA: "size=16m,mode=0700" } },
  );
});
