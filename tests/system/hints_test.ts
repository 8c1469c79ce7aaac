/** Each row of the table of hints that a machine can cause, caused for real: the line says what it is. */
import { onDisk, overwrite, resize, writeProtect } from "../support/causes.ts";
import { run } from "../support/command.ts";
import { Disk, loopDisk } from "../support/disk.ts";
import { type Fault, faultTests, type Stage } from "../support/faults.ts";
import {
  AS_NOBODY,
  IN_USER_NAMESPACE,
  INCAPABLE,
  inLandlock,
  withoutMount,
} from "../support/rights.ts";

const NOW = { MNT_WAIT: "0" };
const BTRFS_BYTES = 128 * 1024 ** 2;

/** A failed mount that ends the program. */
function refused(
  name: string,
  says: RegExp,
  code: number,
  rest: Pick<Fault, "disk" | "needs" | "before">,
): Fault {
  return { name, says, code, processes: "ended", mounts: 0, ...rest };
}

/** A mount that is made, and warned of. */
function warned(name: string, says: RegExp, rest: Pick<Fault, "disk" | "needs" | "before">): Fault {
  return { name, says, code: 0, processes: "serves anew", mounts: 1, ...rest };
}

const given = (env: Readonly<Record<string, string>>): NonNullable<Fault["before"]> => () =>
  Promise.resolve({ env: { ...NOW, ...env } });

/** The file system as a power cut leaves it, with a journal to be played back. */
async function cutPower(stage: Stage): Promise<void> {
  await onDisk(stage, async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "");
    // -f: what was done has reached the journal.
    await run("xfs_io", "-x", "-c", "shutdown -f", directory);
  });
}

/** The same of a btrfs, which cannot be shut down: a copy of its disk at that moment. */
async function cutPowerOfBtrfs(stage: Stage): Promise<void> {
  const { disk, where } = stage;
  const copy = `${where.directory}/copy.img`;
  await onDisk(stage, async (directory) => {
    await run("xfs_io", "-f", "-c", "pwrite 0 4k", "-c", "fsync", `${directory}/file`);
    await run("cp", "--sparse=always", disk.image, copy);
  });
  await run("dd", `if=${copy}`, `of=${disk.path}`, "bs=1M", "conv=fsync", "status=none");
  await Deno.remove(copy);
}

/** A super block of Linux RAID, version 1.2: `struct mdp_superblock_1` of `linux/raid/md_p.h`, at 4 KiB. */
function raidSuperBlock(uuid: Uint8Array, member: number): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa92b4efc, true);
  view.setUint32(4, 1, true); // major_version
  bytes.set(uuid, 16);
  bytes.set(new TextEncoder().encode("nas:backup"), 32);
  view.setUint32(72, 1, true); // level: RAID 1
  view.setUint32(92, 2, true); // raid_disks
  view.setBigUint64(144, 8n, true); // super_offset, in sectors
  view.setUint32(160, member, true); // dev_number
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 4) sum += BigInt(view.getUint32(at, true));
  view.setUint32(216, Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), true);
  return bytes;
}

const BLANK = { disk: { fstype: null } } as const;

const WARNINGS: readonly Fault[] = [
  warned(
    "hint: an ext4 that was not unmounted cleanly",
    /warning: "\/dev\/loop\d+" is mounted, but it was not unmounted cleanly, .*e2fsck -f \/dev\/loop/,
    { needs: ["program:xfs_io"], before: cutPower },
  ),
  warned(
    "hint: an xfs that was not unmounted cleanly",
    /warning: .* is mounted, but it was not unmounted cleanly, .*xfs_repair \/dev\/loop/,
    { needs: ["program:mkfs.xfs"], disk: { fstype: "xfs" }, before: cutPower },
  ),
  warned(
    "hint: a btrfs that was not unmounted cleanly",
    /warning: .* is mounted, but it was not unmounted cleanly, .*btrfs check \/dev\/loop/,
    {
      needs: ["program:mkfs.btrfs", "program:xfs_io"],
      disk: { fstype: "btrfs" },
      before: cutPowerOfBtrfs,
    },
  ),
  warned(
    "hint: an ext4 that is marked as not clean",
    /warning: .* is mounted, but it is marked as not clean or due for a check; .*e2fsck -f/,
    { before: async ({ disk }) => void await run("debugfs", "-w", "-R", "ssv state 0", disk.path) },
  ),
];

/** How the program is started with a right taken away; what it keeps goes with the place. */
const started = (prefix: readonly string[]): NonNullable<Fault["before"]> => ({ where }) =>
  Promise.resolve({
    prefix,
    env: { ...NOW, MNT_FSTYPE: "ext4", XDG_RUNTIME_DIR: where.directory },
  });

const RIGHTS: readonly Fault[] = [
  refused(
    "hint: root of a user namespace",
    /error: Cannot mount .*: EPERM \(root of a user namespace cannot mount a disk\); run it outside/,
    77,
    { before: started(IN_USER_NAMESPACE) },
  ),
  refused(
    "hint: root without CAP_SYS_ADMIN",
    /error: Cannot mount .*: EPERM \(root here has no CAP_SYS_ADMIN\); give the container or service/,
    77,
    { before: started(INCAPABLE) },
  ),
  refused(
    "hint: not root",
    /error: Cannot mount .*: EPERM \(only root can mount\); run it as root/,
    77,
    { before: started(AS_NOBODY) },
  ),
  refused(
    "hint: a seccomp filter that refuses mount(2)",
    /error: Cannot mount .*: EPERM \(CAP_SYS_ADMIN is there, but a seccomp filter or .*seccomp profile/,
    77,
    { needs: ["program:perl"], before: started(withoutMount(1)) },
  ),
  refused(
    "hint: a seccomp filter that hides mount(2)",
    /error: Cannot mount .*: ENOSYS \(the system call is not there, or a seccomp filter hides it\)/,
    77,
    { needs: ["program:perl"], before: started(withoutMount(38)) },
  ),
  refused(
    "hint: a security module that refuses mount(2): Landlock",
    /error: Cannot mount .*: EPERM \(CAP_SYS_ADMIN is there, but a .*security module .*refuses/,
    77,
    { needs: ["program:perl"], before: started(inLandlock()) },
  ),
];

const OPTIONS: readonly Fault[] = [
  refused(
    "hint: a word of mount(8) in MNT_DATA",
    /error: Cannot mount .*: EINVAL \("nofail" in the data is a word of mount\(8\).*; move it from/,
    32,
    { before: given({ MNT_DATA: "nofail" }) },
  ),
  ...(["ext4", "xfs", "btrfs"] as const).map((fstype) =>
    refused(
      `hint: an option that ${fstype} does not know`,
      new RegExp(
        `error: Cannot mount .*: EINVAL \\(${fstype} of this kernel knows no option "nosuchopt"\\); ` +
          "correct it .*; the kernel says: .*nosuchopt",
      ),
      32,
      {
        needs: [`program:mkfs.${fstype}`],
        disk: { fstype },
        before: given({ MNT_OPTIONS: "noatime,nosuchopt=1" }),
      },
    )
  ),
  ...([
    ["ext4", "commit=often", "commit"],
    ["xfs", "logbsize=3", "logbufsize"],
    ["xfs", "norecovery", "read-only"],
    ["btrfs", "compress=hard", "compression"],
  ] as const).map(([fstype, data, option]) =>
    refused(
      `hint: a wrong value for an option of ${fstype}: ${data}`,
      new RegExp(
        `error: Cannot mount .*: EINVAL \\(a wrong value for "${option}" in the options of ${fstype}\\)` +
          ".*; the kernel says: ",
      ),
      32,
      {
        needs: [`program:mkfs.${fstype}`],
        disk: { fstype },
        before: given({ MNT_DATA: data }),
      },
    )
  ),
  refused(
    "hint: a subvolume that is not there",
    /error: Cannot mount .*: ENOENT \(a member device of the btrfs, or the subvolume, is missing\)/,
    32,
    {
      needs: ["program:mkfs.btrfs"],
      disk: { fstype: "btrfs" },
      before: given({ MNT_DATA: "subvol=nowhere" }),
    },
  ),
];

const TYPES: readonly Fault[] = [
  refused(
    "hint: LUKS",
    /error: Cannot mount ".*": it is an encrypted container \(LUKS\), no file system; .*cryptsetup open/,
    78,
    {
      ...BLANK,
      needs: ["program:cryptsetup"],
      async before({ disk, where }) {
        const key = `${where.directory}/key`;
        await Deno.writeTextFile(key, "password");
        const quick = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
        await run("cryptsetup", "luksFormat", "-q", "--type", "luks2", ...quick, disk.path, key);
        return { env: NOW };
      },
    },
  ),
  refused(
    "hint: LVM",
    /error: Cannot mount ".*": it is a physical volume of LVM, no file system; .*vgchange -ay/,
    78,
    {
      ...BLANK,
      needs: ["program:pvcreate"],
      async before({ disk }) {
        await run("pvcreate", "--nolocking", "-q", disk.path);
        return { env: NOW };
      },
    },
  ),
  refused(
    "hint: both members of a RAID, which have one UUID",
    /error: Cannot mount ".*", ".*": it is a member of a RAID \(linux_raid_member\), .*mdadm --assemble/,
    78,
    {
      ...BLANK,
      async before({ disk, cause }) {
        const other = cause.use(await loopDisk(BLANK.disk));
        const uuid = crypto.getRandomValues(new Uint8Array(16));
        for (const [i, { path }] of [disk, other].entries()) {
          await overwrite(path, 4096, raidSuperBlock(uuid, i));
        }
        return { source: `UUID=${await uuidOf(disk)}`, env: NOW };
      },
    },
  ),
  refused(
    "hint: swap",
    /error: Cannot mount ".*": it is swap space, no file system; is it the/,
    78,
    {
      ...BLANK,
      needs: ["program:mkswap"],
      async before({ disk }) {
        await run("mkswap", disk.path);
        return { source: `UUID=${await uuidOf(disk)}`, env: NOW };
      },
    },
  ),
  refused(
    "hint: LUKS, with MNT_FSTYPE=ext4",
    /error: Cannot mount .* as ext4 .*: EINVAL \(it is an encrypted container \(LUKS\), no file system\)/,
    32,
    {
      ...BLANK,
      needs: ["program:cryptsetup"],
      async before({ disk, where }) {
        const key = `${where.directory}/key`;
        await Deno.writeTextFile(key, "password");
        await run("cryptsetup", "luksFormat", "-q", "--type", "luks1", "-i", "1", disk.path, key);
        return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
      },
    },
  ),
  refused(
    "hint: ntfs",
    /error: Cannot mount .* as ntfs .*: ENODEV \(it has NTFS, and this kernel has no .*MNT_FSTYPE=ntfs3/,
    78,
    {
      ...BLANK,
      needs: ["program:mkntfs"],
      async before({ disk }) {
        await run("mkntfs", "-q", "-F", "-Q", disk.path);
        return { env: NOW };
      },
    },
  ),
  refused(
    "hint: a disk with partitions",
    /error: Cannot find .*: nothing can be mounted from ".*": it has a gpt partition table, .* partitions/,
    69,
    {
      disk: { fstype: "ext4", partition: { uuid: crypto.randomUUID(), label: "backup" } },
      before: ({ disk }) => Promise.resolve({ source: disk.path.replace(/p1$/, ""), env: NOW }),
    },
  ),
  refused(
    "hint: a disk with partitions, with MNT_FSTYPE=ext4",
    /error: Cannot mount .*: EINVAL \(it has a gpt partition table, and no file system of its own\)/,
    32,
    {
      disk: { fstype: "ext4", partition: { uuid: crypto.randomUUID(), label: "backup" } },
      before: ({ disk }) =>
        Promise.resolve({
          source: disk.path.replace(/p1$/, ""),
          env: { ...NOW, MNT_FSTYPE: "ext4" },
        }),
    },
  ),
  refused(
    "hint: a file system that no kernel has",
    /error: Cannot mount .*: ENODEV \(this kernel has no file system "nosuchfs"; it has .*ext4.*\)/,
    78,
    { before: given({ MNT_FSTYPE: "nosuchfs" }) },
  ),
  refused(
    "hint: a wrong type, named by path: blkid is asked what is there",
    /error: Cannot mount .* as xfs .*: EINVAL \(wrong file system: blkid sees ext4\); set MNT_FSTYPE=ext4/,
    32,
    { needs: ["program:mkfs.xfs"], before: given({ MNT_FSTYPE: "xfs" }) },
  ),
  refused(
    "hint: no file system at all",
    /error: Cannot mount .*: EINVAL \(wrong file system: there is no ext4 on it, and blkid sees none\)/,
    32,
    { ...BLANK, before: given({ MNT_FSTYPE: "ext4" }) },
  ),
];

const STATES: readonly Fault[] = [
  ...([
    ["ext4", cutPower, "noload"],
    ["xfs", cutPower, "norecovery"],
    ["btrfs", cutPowerOfBtrfs, "rescue=nologreplay"],
  ] as const).map(([fstype, cut, option]) =>
    refused(
      `hint: the journal of an ${fstype} on a read-only medium`,
      new RegExp(
        "error: Cannot mount .*: E\\w+ \\(it was not unmounted cleanly, and its journal cannot be .*; " +
          `let it be written to once, or set MNT_OPTIONS=ro,${option} .*; the kernel says: `,
      ),
      32,
      {
        needs: [`program:mkfs.${fstype}`, "program:xfs_io"],
        disk: { fstype },
        async before(stage) {
          await cut(stage);
          await writeProtect(stage);
          return { env: { ...NOW, MNT_OPTIONS: "ro" } };
        },
      },
    )
  ),
  refused(
    "hint: the kernel misses a member of a btrfs",
    /error: Cannot mount .*: ENOENT \(member 2 of the btrfs is missing\); .*; the kernel says: .*devid 2/,
    32,
    {
      needs: ["program:mkfs.btrfs"],
      disk: { fstype: null, sizeBytes: BTRFS_BYTES },
      async before({ disk, cause }) {
        const other = cause.use(await Disk.make({ fstype: null, sizeBytes: BTRFS_BYTES }));
        await run("mkfs.btrfs", "-q", "-f", disk.image, other.image);
        // Two slashes: given to mount(2) as it is, without a look at the members.
        return { source: `/${disk.path}`, env: { ...NOW, MNT_FSTYPE: "btrfs" } };
      },
    },
  ),
  refused(
    "hint: I/O errors",
    /error: Cannot mount .*: E\w+ \(the disk answers with errors\); .*; the kernel says: .*I\/O error/,
    32,
    {
      async before({ disk }) {
        await Deno.truncate(disk.image, 4096);
        return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
      },
    },
  ),
  refused(
    "hint: half of a disk",
    /error: Cannot mount .*: EINVAL \(the file system is larger than the disk\); is it a copy/,
    32,
    {
      async before({ disk }) {
        await resize(disk, 32 * 1024 ** 2);
        return { env: NOW };
      },
    },
  ),
  refused(
    "hint: a feature that this kernel does not know",
    /error: Cannot mount .*: EINVAL \(the file system has features that this kernel does not know\)/,
    32,
    {
      async before({ disk }) {
        await run("tune2fs", "-O", "^metadata_csum", disk.path);
        await overwrite(disk.path, 1024 + 0x63, Uint8Array.of(0x80));
        return { env: { ...NOW, MNT_FSTYPE: "ext4" } };
      },
    },
  ),
  refused(
    "hint: a journal that is gone",
    /error: Cannot mount .*: E\w+ \(its journal is damaged\); run "e2fsck -f \/dev\/loop\d+"/,
    32,
    {
      async before({ disk }) {
        await run("debugfs", "-w", "-R", "feature needs_recovery", disk.path);
        await run("debugfs", "-w", "-R", "clri <8>", disk.path);
        return { env: NOW };
      },
    },
  ),
  refused(
    "hint: mounted elsewhere, with other options",
    /error: Cannot mount .*: EBUSY \(already mounted on "(.*\/elsewhere)" \(ro, ext4\)\); .*MNT_TARGET=\1/,
    32,
    {
      async before({ disk, where, cause }) {
        const elsewhere = `${where.directory}/elsewhere`;
        await Deno.mkdir(elsewhere);
        await run("mount", "-o", "ro", disk.path, elsewhere);
        cause.defer(async () => void await run("umount", elsewhere));
        return { env: NOW };
      },
    },
  ),
];

async function uuidOf({ path }: Disk): Promise<string> {
  return /UUID="([^"]+)"/.exec(await run("blkid", "-c", "/dev/null", path))![1]!;
}

await faultTests([...WARNINGS, ...RIGHTS, ...OPTIONS, ...TYPES, ...STATES]);
