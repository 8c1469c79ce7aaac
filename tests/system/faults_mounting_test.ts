/** Faults of a disk that is to be mounted: said, nothing left mounted, and served once they are over. */
import { run } from "../support/command.ts";
import {
  background,
  holdExclusively,
  lift,
  onDisk,
  overwrite,
  resize,
  writeProtect,
} from "../support/causes.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { faultTests, type Stage } from "../support/faults.ts";

const NOW = { MNT_WAIT: "0" };

const BTRFS_BYTES = 128 * 1024 ** 2;
/** The other member of a btrfs, by the first. */
const seconds = new WeakMap<Disk, Disk>();

/** A copy of an xfs, mounted beside the target for as long as `cause` lasts. */
async function mountCopy(disk: Disk, directory: string, cause: Stage["cause"]): Promise<void> {
  const copy = cause.use(await loopDisk({ fstype: "xfs", uuid: disk.uuid }));
  await Deno.mkdir(`${directory}/copy`);
  await run("mount", copy.path, `${directory}/copy`);
  cause.defer(async () => void await run("umount", `${directory}/copy`));
}

await faultTests([
  {
    name: "truncated: nothing left of the disk, named by path",
    async before({ disk }) {
      await resize(disk, 0);
      return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
    },
    says: /error: Cannot mount .* as ext4 .*: (EIO|EINVAL) \(.*; the kernel says: /,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "truncated: half of the disk is missing",
    async before({ disk }) {
      await resize(disk, 32 * 1024 ** 2);
      return { source: `UUID=${disk.uuid}`, env: NOW };
    },
    says: /error: Cannot mount .*: EINVAL .*; the kernel says: .*bad geometry/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "truncated under the kernel: each read past the end fails with EIO",
    async before({ disk }) {
      await Deno.truncate(disk.image, 1024 ** 2);
      return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
    },
    says: /error: Cannot mount .* as ext4 .*: E\w+ \(.*/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "super block wiped, named by UUID: no such device; served once it is there again",
    async before({ disk }) {
      await overwrite(disk.path, 1024, new Uint8Array(1024));
      return { source: `UUID=${disk.uuid}` };
    },
    says: /waiting for UUID=.*: no such device; blkid sees /,
    processes: "waits",
    mounts: 0,
    cure: ({ disk }) => disk.format("ext4"),
    code: 0,
  },
  {
    name: "super block wiped, named by path: blkid knows no file system",
    async before({ disk }) {
      await overwrite(disk.path, 1024, new Uint8Array(1024));
      return { env: NOW };
    },
    says: /error: Cannot find .*: blkid knows no file system on .*; make one with mkfs/,
    processes: "ended",
    mounts: 0,
    code: 69,
  },
  {
    name: "group descriptors wiped: says that the disk is damaged",
    async before({ disk }) {
      await overwrite(disk.path, 4096, new Uint8Array(4096));
      await overwrite(disk.path, 2048, new Uint8Array(2048));
      return { env: NOW };
    },
    says: /error: Cannot mount .*: E\w+ \(.*; the kernel says: .*EXT4-fs/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "root directory's inode wiped: says that the disk is damaged",
    async before({ disk }) {
      await run("debugfs", "-w", "-R", "clri <2>", disk.path);
      return { env: NOW };
    },
    says: /error: Cannot mount .*: EUCLEAN \(the file system is damaged\); .*run fsck on /,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "journal wiped while it is needed: nothing is served from half a file system",
    async before({ disk }) {
      await run("debugfs", "-w", "-R", "feature needs_recovery", disk.path);
      await run("debugfs", "-w", "-R", "clri <8>", disk.path);
      return { env: NOW };
    },
    says: /error: Cannot mount .*: E\w+ \(.*; the kernel says: .*journal/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "a feature that this kernel does not know: the kernel's own words are passed on",
    async before({ disk }) {
      await run("tune2fs", "-O", "^metadata_csum", disk.path);
      // s_feature_incompat: its highest bit is nobody's.
      await overwrite(disk.path, 1024 + 0x63, Uint8Array.of(0x80));
      return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
    },
    says: /error: Cannot mount .*: EINVAL .*; the kernel says: .*unsupported optional features/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "errors counted by an earlier run: served, and e2fsck asked for",
    async before({ disk }) {
      await run("debugfs", "-w", "-R", "set_super_value error_count 3", disk.path);
    },
    serving: () => Promise.resolve(),
    says: /error: ext4 has counted 3 errors on ".*": .*run e2fsck -f/,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  {
    name: "write-protected: says so; served once the switch is turned",
    before: writeProtect,
    says:
      /Cannot mount .*: E\w+ \(the medium is write-protected\); .*; trying again(?:$|; the kernel says: )/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "write-protected, with MNT_OPTIONS=ro: serves restores",
    async before(stage) {
      await onDisk(stage, (directory) => Deno.mkdir(`${directory}/restic`));
      await writeProtect(stage);
      return { env: { MNT_OPTIONS: "ro" } };
    },
    says: / mounted ".*" as ext4 with ro$/,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "write-protected, with a journal to be played back: EROFS or EACCES, never served",
    async before(stage) {
      await run("debugfs", "-w", "-R", "feature needs_recovery", stage.disk.path);
      await writeProtect(stage);
      return { env: NOW };
    },
    says: /error: Cannot mount .*: E(ROFS|ACCES) \(the medium is write-protected\)/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "busy: opened exclusively by somebody; served once that one is done",
    async before({ disk, cause }) {
      cause.use(await holdExclusively(disk.path));
    },
    says: /".*" is in use, though no mount here shows it: .*; trying again$/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "busy: mounted in another mount namespace; served once it is not",
    async before({ disk, cause, where }) {
      const script = `mount "${disk.path}" "${where.directory}" && echo mounted && exec sleep 1000`;
      cause.use(await background("unshare", "--mount", "sh", "-c", script));
    },
    says:
      /".*" is in use, though no mount here shows it: .*another mount namespace.*; trying again$/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "busy: a copy with the same UUID is mounted, which xfs refuses; served once it is not",
    needs: ["program:mkfs.xfs"],
    disk: { fstype: "xfs" },
    async before({ disk, cause, where }) {
      await mountCopy(disk, where.directory, cause);
    },
    says: /Cannot mount .* as xfs .*; trying again; the kernel says: .*duplicate UUID/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "wrong type: btrfs asked for, ext4 there",
    before: ({ disk }) =>
      Promise.resolve({
        source: `UUID=${disk.uuid}`,
        env: { ...NOW, MNT_FSTYPE: "btrfs" },
      }),
    says: /error: Cannot mount .* as btrfs .*: EINVAL .*blkid sees ext4.*; set MNT_FSTYPE=ext4/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "wrong type: swap space is no file system",
    needs: ["program:mkswap"],
    disk: { fstype: null },
    async before({ disk }) {
      await run("mkswap", disk.path);
      return { env: NOW };
    },
    says: /error: Cannot mount ".*": it is swap space, no file system; is it the right partition\?/,
    processes: "ended",
    mounts: 0,
    code: 78,
  },
  {
    name: "wrong type: an encrypted disk is no file system",
    disk: { fstype: null },
    async before({ disk }) {
      // LUKS 1: magic, version, cipher name and mode, hash, offsets; UUID at 168.
      const header = new Uint8Array(1024);
      header.set([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe, 0, 1]);
      header.set(new TextEncoder().encode(disk.uuid), 168);
      await overwrite(disk.path, 0, header);
      return { source: `UUID=${disk.uuid}`, env: NOW };
    },
    says: /error: Cannot mount ".*": it is an encrypted container \(LUKS\), .*cryptsetup open /,
    processes: "ended",
    mounts: 0,
    code: 78,
  },
  {
    name: "twin label: an ext4 and an xfs carry it; served once one is pulled",
    needs: ["program:mkfs.xfs"],
    async before({ disk, cause }) {
      cause.use(await loopDisk({ fstype: "xfs", label: disk.label }));
      return { source: `LABEL=${disk.label}` };
    },
    says:
      /waiting for LABEL=.*: ambiguous, .*"\/dev\/loop\d+", "\/dev\/loop\d+"; unplug all but one/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "twin UUID: a byte for byte copy; served once it is pulled",
    async before({ disk, cause }) {
      const copy = cause.use(await loopDisk({ fstype: null }));
      await run("dd", `if=${disk.path}`, `of=${copy.path}`, "bs=1M", "status=none");
      return { source: `UUID=${disk.uuid}` };
    },
    says: /waiting for UUID=.*: ambiguous, .*; unplug all but one/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "missing member: a btrfs of two waits for its second disk",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: null, sizeBytes: BTRFS_BYTES },
    async before({ disk, cause }) {
      const second = cause.use(await loopDisk({ fstype: null, sizeBytes: BTRFS_BYTES }));
      await run("mkfs.btrfs", "-q", "-f", "-U", disk.uuid, disk.path, second.path);
      await second.detach();
      seconds.set(disk, second);
      return { source: `UUID=${disk.uuid}` };
    },
    says: /waiting for UUID=.*: 1 of 2 members/,
    processes: "waits",
    mounts: 0,
    cure: ({ disk }) => seconds.get(disk)!.attach(),
    code: 0,
  },
  {
    name: "missing member: named by its path, and MNT_WAIT over",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: null, sizeBytes: BTRFS_BYTES },
    async before({ disk, cause }) {
      const second = cause.use(await loopDisk({ fstype: null, sizeBytes: BTRFS_BYTES }));
      await run("mkfs.btrfs", "-q", "-f", disk.path, second.path);
      await second.detach();
      return { env: NOW };
    },
    says: /error: Cannot find .*: btrfs .*: 1 of 2 members \(.*\); gave up after 0 s \(MNT_WAIT\)/,
    processes: "ended",
    mounts: 0,
    code: 69,
  },
  {
    name: "wiped member: a btrfs super block that blkid passes over",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: "btrfs" },
    async before({ disk }) {
      await overwrite(disk.path, 64 * 1024, new Uint8Array(4096));
      return { source: `UUID=${disk.uuid}`, env: NOW };
    },
    says: /error: Cannot find UUID=.*: no such device; .*; gave up/,
    processes: "ended",
    mounts: 0,
    code: 69,
  },
  {
    name: "damaged xfs: a super block with a wrong checksum",
    needs: ["program:mkfs.xfs"],
    disk: { fstype: "xfs" },
    async before({ disk }) {
      // sb_fname lies at 108 and is covered by the checksum alone.
      await overwrite(disk.path, 108, new Uint8Array(12).fill(1));
      return { env: { ...NOW, MNT_FSTYPE: "xfs" } };
    },
    says: /error: Cannot mount .* as xfs .*: E\w+ \(.*; the kernel says: .*XFS/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
]);
