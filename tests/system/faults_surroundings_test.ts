/** Faults around the program: its target, its directories, /proc, /sys, its streams, its clock, blkid. */
import { background, lift, shutDown } from "../support/causes.ts";
import { run } from "../support/command.ts";
import { type Fault, faultTests, type Stage } from "../support/faults.ts";
import { realTools } from "../support/system.ts";

/** Runs the program after these lines of shell, in a mount namespace below the test's own. */
const inside = (...lines: string[]) => ({
  prefix: [
    "unshare",
    "--mount",
    "--propagation",
    "slave",
    "sh",
    "-ec",
    `${lines.join("\n")}\nexec "$@"`,
    "sh",
  ],
});
const ROOT = new URL("../..", import.meta.url).pathname;

/** Lines of shell that put an empty tmpfs over /tmp, less what of the program and its test may lie there. */
async function coverTmp(directory: string): Promise<string[]> {
  const { "rest-server": server } = await realTools();
  const home = Deno.env.get("HOME") ?? "/";
  const kept = [directory, ROOT, home, Deno.execPath(), server]
    .map((path) => path.split("/").slice(1, 3).join("/"))
    .filter((path) => path.startsWith("tmp/"));
  return [
    "mount --rbind /tmp /mnt",
    "mount -t tmpfs -o size=64k tmpfs /tmp",
    ...[...new Set(kept)].flatMap((path) => [
      `mkdir /${path}`,
      `mount --rbind /mnt/${path.slice("tmp/".length)} /${path}`,
    ]),
    `cd ${directory}`,
  ];
}

/** Mounts a tmpfs. */
async function cover(directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  await run("mount", "-t", "tmpfs", "cover", directory);
}

/** Runs the program where /proc shows it no process but its own: also root's are hidden from it. */
const unseeing = () =>
  Promise.resolve(
    inside(
      // Root is in the group 0, which may see all where no other one is named.
      "mount -t proc -o hidepid=invisible,gid=65534 proc /proc",
      'exec setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace "$@"',
    ),
  );

/** Runs the program after these lines of shell. */
const after = (...lines: string[]) => ({
  prefix: ["sh", "-ec", `${lines.join("\n")}\nexec "$@"`, "sh"],
});

/** A path that is there once the cause is. */
const late = ({ where }: Stage) => ({
  source: `${where.directory}/disk`,
  env: { MNT_FSTYPE: "ext4" },
});
const appear = ({ disk, where }: Stage) => Deno.symlink(disk.path, `${where.directory}/disk`);

/** A blkid of these lines of shell, which is the real one once the cause is lifted. */
const blkid = (...lines: string[]) => async ({ disk, where, cause }: Stage) => {
  const path = `${where.directory}/blkid`;
  const write = (text: string) => Deno.writeTextFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await write(lines.join("\n"));
  cause.defer(() => write('exec /sbin/blkid "$@"'));
  return { source: `UUID=${disk.uuid}`, env: { MNT_BLKID: path } };
};

/** Faults that change nothing of a whole run: it serves, and stops clean. */
const HARMLESS: readonly (readonly [string, (stage: Stage) => { prefix: string[] }])[] = [
  ["stdout is closed", () => after("exec >&-")],
  ["stdout is a full disk", () => after("exec >/dev/full")],
  ["stdin, stdout: both closed", () => after("exec <&- >&-")],
  ["clock: 1,000 days since boot, by a time namespace", () => ({
    prefix: ["unshare", "--time", "--boottime", "86400000", "--monotonic", "86400000"],
  })],
  ["umask 777", () => after("umask 777")],
];

await faultTests([
  ...HARMLESS.map(([name, how]): Fault => ({
    name,
    before: (stage) => Promise.resolve(how(stage)),
    says: /^start server on /,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  })),
  {
    name: "clock: a jump of the time of day",
    ignored:
      "needs clock_settime(2), which would turn the clock of the whole machine: see tests/gokrazy/ext4_test.ts",
    says: null,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  {
    name: "pulled: the device is gone from /sys",
    ignored: "a loop device in use cannot be removed (LOOP_CTL_REMOVE is EBUSY): see tests/gokrazy",
    says: null,
    processes: "waits",
    mounts: 0,
    code: 0,
  },
  {
    name: "/tmp is full: it serves all the same",
    before: async ({ where: { directory } }) =>
      inside(...await coverTmp(directory), "cat /dev/zero >/tmp/full 2>/dev/null || :"),
    says: /^start server on /,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "/run and /tmp are read-only: says that it cannot keep lock files",
    before: async ({ where: { directory } }) =>
      inside(
        ...await coverTmp(directory),
        "mount -o remount,ro /tmp",
        "mount -t tmpfs -o ro tmpfs /run",
      ),
    says: /error: Cannot keep lock files: none of /,
    processes: "ended",
    mounts: 0,
    code: 78,
  },
  {
    // It may not be full at the next try: a supervisor is to start it again.
    name: "/run and /tmp are full: says that no lock file can be made, with 75",
    before: async ({ where: { directory } }) =>
      inside(
        ...await coverTmp(directory),
        "mount -o remount,nr_inodes=64 /tmp",
        "i=0; while mkdir /tmp/full$i 2>/dev/null; do i=$((i + 1)); done",
        "mount -t tmpfs -o nr_inodes=1 tmpfs /run",
      ),
    says: /error: Cannot keep lock files: none of .* can be made: No space left on device/,
    processes: "ended",
    mounts: 0,
    code: 75,
  },
  {
    name: "/run has no room for a lock file: says so, with 75",
    before: () =>
      Promise.resolve(
        inside("mount -t tmpfs -o nr_inodes=2 tmpfs /run", "mkdir /run/restic-rest-server"),
      ),
    says: /error: Cannot lock ".*" by ".*": ENOSPC; check what fills it/,
    processes: "ended",
    mounts: 0,
    code: 75,
  },
  {
    name: "/proc shows nobody else (hidepid), and no CAP_SYS_PTRACE: it serves, and stops clean",
    before: unseeing,
    says: /^start server on /,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "/proc shows nobody else, and the mount is held: says that something holds it, 32",
    before: unseeing,
    async serving({ wrapper, where, cause }) {
      const enter = ["nsenter", `--mount=/proc/${wrapper.pid}/ns/mnt`];
      const stand = ["sh", "-ec", `cd ${where.target}; echo held; exec sleep 1000`];
      cause.use(await background(...enter, ...stand));
      wrapper.signal("SIGTERM");
    },
    says: /error: Cannot unmount ".*": EBUSY \(something holds it.*\); detaching it lazily/,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "no right to mount: says which",
    before: () =>
      Promise.resolve({
        prefix: ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
        env: { MNT_FSTYPE: "ext4" },
      }),
    says: /error: Cannot mount .*: EPERM \(root here has no CAP_SYS_ADMIN\); give /,
    processes: "ended",
    mounts: 0,
    code: 77,
  },
  {
    name: "no /sys: a look at the disk goes on without it, and takes nothing for lost",
    before: () => Promise.resolve(inside("mount -t tmpfs tmpfs /sys")),
    serving: ({ wrapper, where }) =>
      run(
        "nsenter",
        `--mount=/proc/${wrapper.pid}/ns/mnt`,
        "mount",
        "-o",
        "remount,ro",
        where.target,
      ),
    says: /error: the file system has turned read-only /,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  {
    name: "target removed while the disk is waited for: made again, and served",
    before: async (stage) => {
      await Deno.mkdir(stage.where.target);
      return late(stage);
    },
    waiting: async (stage) => {
      await Deno.remove(stage.where.target);
      await appear(stage);
    },
    says: / mounted "/,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "target removed from another mount namespace while it is served: made again, and served",
    serving: ({ where }) =>
      run(
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        `umount -l ${where.target}; rmdir ${where.target}`,
      ),
    says: / is lost: somebody else unmounted it; stopping rest-server/,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "target made a symlink while the disk is waited for: refused",
    before: (stage) => Promise.resolve(late(stage)),
    waiting: async (stage) => {
      const { where } = stage;
      await Deno.mkdir(`${where.directory}/elsewhere`);
      await Deno.symlink(`${where.directory}/elsewhere`, where.target);
      await appear(stage);
    },
    says: /error: Cannot mount .*: ".*" has become a symlink to ".*"; remove it, /,
    processes: "ended",
    mounts: 0,
    code: 32,
  },
  {
    name: "target made a file while the disk is waited for: refused",
    before: (stage) => Promise.resolve(late(stage)),
    waiting: async (stage) => {
      await Deno.writeTextFile(stage.where.target, "");
      await appear(stage);
    },
    says: /error: Cannot make the directory ".*": .*; set MNT_TARGET to a directory/,
    processes: "ended",
    mounts: 0,
    code: 78,
  },
  {
    name:
      "over-mounted: a mount above hides the target: the disk is served anew on top, the old mount left",
    async serving({ where, cause }) {
      await run("mount", "-t", "tmpfs", "cover", where.directory);
      cause.defer(async () => {
        await run("umount", "-l", where.directory);
        await run("umount", where.target);
      });
    },
    says: / is lost: a mount above it hides it; stopping rest-server/,
    processes: "serves anew",
    mounts: 2,
    code: 32,
    mountsAfter: 1,
  },
  {
    name: "over-mounted: a mount on --path takes what is written: lost, and served anew",
    serving: ({ where }) => cover(`${where.target}/restic`),
    says: / is lost: "cover" \(tmpfs\) was mounted on ".*\/restic", over what is served: /,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "over-mounted: a mount below --path is said, and the rest served on",
    serving: ({ where }) => cover(`${where.target}/restic/other`),
    says: /error: "cover" \(tmpfs\) is mounted on ".*\/other": backups below it are not on this/,
    processes: "serves on",
    mounts: 1,
    cure: ({ where }) => run("umount", `${where.target}/restic/other`),
    code: 0,
  },
  {
    name: "blkid missing: removed while the disk is served, and the disk is lost",
    needs: ["program:xfs_io"],
    before: async (stage) => {
      const options = await blkid('exec /sbin/blkid "$@"')(stage);
      return options;
    },
    serving: async ({ where }) => {
      await Deno.remove(`${where.directory}/blkid`);
      await shutDown(where.target);
    },
    says: /error: Cannot (find|run) blkid/,
    processes: "ended",
    mounts: 0,
    code: 78,
  },
  {
    name: "blkid slow: given up after 30 s, and asked again; served once it is itself again",
    before: blkid("exec sleep 1000"),
    says: /waiting for UUID=.*: blkid did not answer within 30 s; is a disk hanging\?/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  ...([
    ["killed", ["kill -KILL $$"], /blkid failed with SIGKILL/],
    ["printing garbage", ["head -c 100000 /dev/urandom"], /Cannot parse blkid's line/],
    [
      "printing a line without end",
      ["head -c 3000000 /dev/zero | tr '\\0' x"],
      /blkid" printed more than 1 MiB/,
    ],
    ["failing", ["echo no memory >&2; exit 4"], /blkid failed with exit 4: no memory/],
    ["finding nothing", ["exit 2"], /no such device; blkid sees no devices at all/],
    [
      "naming a disk that is gone",
      ['echo "/dev/gone: UUID=\\"x\\" TYPE=\\"ext4\\""'],
      /no such device; blkid sees \/dev\/gone/,
    ],
  ] as const).map(([what, lines, says]): Fault => ({
    name: `blkid ${what}: said, nothing mounted; served once it is itself again`,
    before: blkid(...lines),
    says: new RegExp(`waiting for UUID=.*: .*${says.source}`),
    processes: "waits",
    mounts: 0,
    cure: async (stage) => {
      await lift(stage);
      await stage.disk.format("ext4");
    },
    code: 0,
  })),
]);
