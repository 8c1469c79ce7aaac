/** Faults of a disk that is served: said, and served again once they are over. */
import assert from "node:assert/strict";
import {
  cgroupLack,
  dropCaches,
  lift,
  onDisk,
  overwrite,
  resize,
  shutDown,
  stall,
} from "../support/causes.ts";
import { run } from "../support/command.ts";
import { type Disk, loopDisk } from "../support/disk.ts";
import { type Fault, faultTests, type Stage } from "../support/faults.ts";
import { httpStatus, stuckUpload } from "../support/http.ts";
import { childPids, isIn } from "../support/processes.ts";
import { mountsOn, type ServeOptions } from "../support/system.ts";
import { until } from "../support/wait.ts";

/** Uploads a blob; gives the status. */
async function upload(url: string, sizeBytes: number): Promise<number> {
  await httpStatus(`${url}/?create=true`, { method: "POST" });
  const body = crypto.getRandomValues(new Uint8Array(Math.min(sizeBytes, 65536)));
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(body);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const name = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return await httpStatus(`${url}/data/${name}`, { method: "POST", body: bytes });
}

/** Puts a file on the disk that is too large to be kept beside its name. */
async function fillUp(stage: Stage): Promise<void> {
  await onDisk(
    stage,
    (directory) =>
      run("dd", "if=/dev/zero", `of=${directory}/x`, "bs=1M", "count=4", "status=none"),
  );
}

/** Freezes the file system; a file system that is unmounted meanwhile stays frozen in the kernel. */
async function freezeDisk(stage: Stage): Promise<void> {
  const { where, cause } = stage;
  await run("fsfreeze", "--freeze", where.target);
  cause.defer(async () => {
    if (mountsOn(where.target).length > 0) await run("fsfreeze", "--unfreeze", where.target);
    else await onDisk(stage, (directory) => run("fsfreeze", "--unfreeze", directory));
  });
}

/** Shrinks the disk under the kernel to nothing, so that each read and write fails with EIO. */
async function die({ disk, cause }: Stage): Promise<void> {
  const { size } = await Deno.stat(disk.image);
  const copy = `${disk.image}.copy`;
  await run("cp", "--sparse=always", disk.image, copy);
  cause.defer(async () => {
    await run("cp", "--sparse=always", copy, disk.image);
    await Deno.remove(copy);
    await resize(disk, size);
  });
  await resize(disk, 0);
  await dropCaches();
}

/** Puts a file with a wrong checksum on a btrfs, and a good one deeper on it. */
async function damageFile(stage: Stage): Promise<void> {
  const mark = crypto.randomUUID();
  await onDisk(stage, async (directory) => {
    // Too long to be kept beside its name.
    await Deno.writeTextFile(`${directory}/notes`, mark.repeat(1000));
    await Deno.mkdir(`${directory}/deeper`);
    await Deno.writeTextFile(`${directory}/deeper/good`, "good");
  });
  const found = await run(
    "grep",
    "--byte-offset",
    "--only-matching",
    "--text",
    mark,
    stage.disk.image,
  );
  await overwrite(stage.disk.path, Number(found.split(":", 1)[0]), new Uint8Array(16));
}

const remountReadOnly = (target: string) => run("mount", "-o", "remount,bind,ro", target);
const REMOUNTED = /error: ".*" was remounted read-only: restores go on, backups fail/;

/** A slow disk whose ext4 is found to be damaged only after some reads. */
async function damageLate({ disk, where }: Stage): Promise<Partial<ServeOptions>> {
  await run("mkfs.ext4", "-q", "-F", "-b", String(BLOCK_BYTES), disk.path);
  // The group descriptors.
  await overwrite(disk.path, BLOCK_BYTES, new Uint8Array(BLOCK_BYTES).fill(0xff));
  return { source: `${where.directory}/disk`, env: { MNT_FSTYPE: "ext4" } };
}

/** Plugs it in, and waits until its mount(2) has failed once and is made again, which hangs. */
async function failLate(stage: Stage): Promise<void> {
  const { wrapper, disk, where } = stage;
  const limit = await stall(stage, wrapper.pid);
  await limit(1000);
  await run("blockdev", "--flushbufs", disk.path);
  await Deno.symlink(disk.path, `${where.directory}/disk`);
  await until(
    () => childPids(wrapper.pid).some((pid) => isIn(pid, "mount")),
    "a mount(2) in a process of its own",
  );
  await limit(1);
}

const BLOCK_BYTES = 4096;
const LOST = /error: "\/dev\/loop\d+" is lost: .*; stopping rest-server \(process \d+\)/;

await faultTests([
  {
    name: "dead: shut down while an upload is under way",
    needs: ["program:xfs_io"],
    async serving({ url, where, cause }) {
      cause.use(await stuckUpload(url.slice("http://".length)));
      await shutDown(where.target);
    },
    says: LOST,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "dead: each read and write fails with EIO; served again once it answers",
    serving: die,
    says: LOST,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "dead: EIO on a btrfs; served again once it answers",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: "btrfs" },
    before: fillUp,
    serving: die,
    says: LOST,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "dead: EIO on an xfs; served again once it answers",
    needs: ["program:mkfs.xfs"],
    disk: { fstype: "xfs" },
    serving: die,
    says: LOST,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "dead: a mount of somebody else's is left, and nothing is mounted over it",
    needs: ["program:xfs_io"],
    async before({ disk, where, cause }) {
      await Deno.mkdir(where.target);
      await run("mount", "-o", "nosuid,nodev,noexec", disk.path, where.target);
      cause.defer(async () => void await run("umount", where.target));
    },
    serving: ({ where }) => shutDown(where.target),
    says:
      /error: Cannot take over the mount on .*, but its file system is dead .*; unmount it first/,
    processes: "ended",
    mounts: 1,
    code: 32,
    mountsAfter: 1,
  },
  {
    name: "dead: mounted elsewhere, too: served again once that mount is gone as well",
    needs: ["program:xfs_io"],
    async before({ disk, where, cause }) {
      const other = `${where.directory}/other`;
      await Deno.mkdir(other);
      await run("mount", disk.path, other);
      cause.defer(async () => void await run("umount", other));
    },
    serving: ({ where }) => shutDown(where.target),
    says: /Cannot mount .* is in use, and its mount on ".*\/other" cannot be used: .*trying again/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "EIO: one damaged file of a btrfs is named, and the rest served on",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: "btrfs" },
    before: damageFile,
    serving: () => Promise.resolve(),
    says: /error: ".*\/notes" cannot be read \(Input\/output error .*\), though other files can/,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  {
    name: "ENOSPC: an upload that the disk has no room for is refused, a smaller one is taken",
    async serving({ url, wrapper }) {
      assert.equal(await upload(url, 70 * 1024 ** 2), 507);
      assert.equal(await upload(url, 1024), 200);
      wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "ENOSPC: no inode is left: an upload is refused, and serving goes on",
    async before(stage) {
      await run("mkfs.ext4", "-q", "-F", "-N", "16", stage.disk.path);
      await onDisk(
        stage,
        (directory) =>
          run("sh", "-c", `cd ${directory}; while mkdir -p $((n += 1)) 2>/dev/null; do :; done`),
      );
    },
    async serving({ url, wrapper }) {
      assert.equal(await upload(url, 1024), 500);
      wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "EIO: what was written cannot be kept: ext4 gives up, restores go on, the end is 32",
    async serving({ disk, url, where }) {
      await httpStatus(`${url}/?create=true`, { method: "POST" });
      await resize(disk, 8 * 1024 ** 2);
      assert.equal(await upload(url, 16 * 1024 ** 2), 500);
      await resize(disk, 64 * 1024 ** 2);
      await run("sync", "-f", where.target).catch(() => {});
    },
    says: /error: the file system has turned read-only after an error \(/,
    processes: "serves on",
    mounts: 1,
    code: 32,
  },
  {
    name: "read-only: remounted by hand",
    serving: ({ where }) => run("mount", "-o", "remount,ro", where.target),
    says: /error: the file system has turned read-only /,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  {
    name: "read-only: the mount alone, remounted by hand",
    serving: ({ where }) => remountReadOnly(where.target),
    says: REMOUNTED,
    processes: "serves on",
    mounts: 1,
    code: 0,
  },
  ...(["replace", "remove"] as const).map((act): Fault => {
    let last: Disk;
    return {
      name: `another member: btrfs ${act} under a serving rest-server is no loss`,
      needs: ["program:mkfs.btrfs"],
      disk: { fstype: null, sizeBytes: 256 * 1024 ** 2 },
      async before({ disk, cause }) {
        const more = { fstype: null, sizeBytes: 256 * 1024 ** 2 };
        const second = cause.use(await loopDisk(more));
        last = cause.use(await loopDisk(more));
        const paths = [disk, second, ...act === "remove" ? [last] : []].map(({ path }) => path);
        const raid = ["-m", "raid1", "-d", "raid1", "-U", disk.uuid];
        await run("mkfs.btrfs", "-q", "-f", ...raid, ...paths);
        return { source: `UUID=${disk.uuid}` };
      },
      async serving({ where, disk }) {
        // The one that mountinfo shows.
        if (act === "remove") await run("btrfs", "device", "remove", disk.path, where.target);
        else {
          const [from, to] = [disk.path, last.path];
          await run("btrfs", "replace", "start", "-B", "-f", from, to, where.target);
        }
        await disk.detach();
        // Each probe from now on has seen what was before it.
        await remountReadOnly(where.target);
      },
      says: REMOUNTED,
      processes: "serves on",
      mounts: 1,
      code: 0,
    };
  }),
  {
    name: "frozen: a stop ends clean all the same",
    needs: ["program:fsfreeze"],
    async serving(stage) {
      await freezeDisk(stage);
      stage.wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "frozen: left so by an earlier run; served once it is thawed",
    needs: ["program:fsfreeze"],
    async before(stage) {
      const { where, disk } = stage;
      await Deno.mkdir(where.target);
      await run("mount", disk.path, where.target);
      await freezeDisk(stage);
      await run("umount", where.target);
    },
    says: /".*" is in use, though no mount here shows it: .*; trying again$/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "hangs: mount(2) blocks for long, and SIGTERM ends it as soon as the call returns",
    ignored: cgroupLack("blkio"),
    before: ({ where }) =>
      Promise.resolve({ source: `${where.directory}/disk`, env: { MNT_FSTYPE: "ext4" } }),
    async waiting(stage) {
      await stall(stage, stage.wrapper.pid);
      await run("blockdev", "--flushbufs", stage.disk.path);
      await Deno.symlink(stage.disk.path, `${stage.where.directory}/disk`);
      const { input } = await stage.wrapper.errLine(/mount\(2\) of /);
      assert.match(input, /10 s/);
      stage.wrapper.signal("SIGTERM");
      await stage.cause.disposeAsync();
    },
    says: / SIGTERM: stopped; rest-server was not running/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "hangs: a mount(2) that fails late is asked once more for why, in a process of its own",
    ignored: cgroupLack("blkio"),
    before: damageLate,
    async waiting(stage) {
      await failLate(stage);
      await lift(stage);
    },
    says: /warning: Cannot mount .*: EUCLEAN \(the file system is damaged\).*trying again/,
    processes: "waits",
    mounts: 0,
    code: 0,
  },
  {
    name: "hangs: a mount(2) that fails late: the program answers, and SIGTERM ends it",
    ignored: cgroupLack("blkio"),
    before: damageLate,
    async waiting(stage) {
      await failLate(stage);
      await stage.wrapper.errLine(/ mount\(2\) of .* 10 s/);
      assert.ok(!isIn(stage.wrapper.pid, "mount"), "it waits in the kernel itself");
      stage.wrapper.signal("SIGTERM");
      await lift(stage);
    },
    says: / SIGTERM: stopped; rest-server was not running/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "hangs: a probe that is not answered is said, and nothing is taken for lost",
    ignored: cgroupLack("blkio"),
    before: fillUp,
    async serving(stage) {
      await stall(stage, stage.wrapper.pid);
      await dropCaches();
    },
    says: /warning: ".*" has not answered for \d+ s: it hangs/,
    processes: "runs on",
    mounts: 1,
    cure: lift,
    code: 0,
  },
  {
    name: "moved: the mount was moved away by somebody",
    async serving({ where, cause }) {
      await Deno.mkdir(`${where.directory}/elsewhere`);
      await run("mount", "--move", where.target, `${where.directory}/elsewhere`);
      cause.defer(async () => void await run("umount", `${where.directory}/elsewhere`));
    },
    says: LOST,
    processes: "serves anew",
    mounts: 1,
    code: 32,
  },
  {
    name: "missing member: one of a mirror dies, which btrfs goes on without",
    needs: ["program:mkfs.btrfs"],
    disk: { fstype: null, sizeBytes: 256 * 1024 ** 2 },
    async before({ disk, cause }) {
      const second = cause.use(await loopDisk({ fstype: null, sizeBytes: 256 * 1024 ** 2 }));
      const raid = ["-m", "raid1", "-d", "raid1", "-U", disk.uuid];
      await run("mkfs.btrfs", "-q", "-f", ...raid, disk.path, second.path);
      return { source: `UUID=${disk.uuid}` };
    },
    async serving({ disk, url, wrapper }) {
      await resize(disk, 0);
      assert.equal(await upload(url, 1024 ** 2), 200);
      wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
]);
