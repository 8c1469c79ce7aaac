/**
 * System tests: the real program, the real rest-server, real disks, as root, in a mount namespace of the
 * test file's own.
 *
 * @module
 */
import assert from "node:assert/strict";
import { findTools } from "../../dist/tools/tools.ts";
import { type MountInfo, parseMountinfo } from "../../mod/mountinfo.ts";
import { Below } from "./below.ts";
import { run, runAloud, SYSTEM_PATH } from "./command.ts";
import { type Disk, ownLoopDevices } from "./disk.ts";
import { type Need, testWith } from "./needs.ts";
import { forgetRuns } from "./status.ts";
import { tempDirectory } from "./temp.ts";
import { until } from "./wait.ts";
import { startWrapper, type Wrapper, type WrapperOptions } from "./wrapper.ts";

/** Mounts of this process's namespace, in the kernel's order. */
export function readMounts(): MountInfo[] {
  return parseMountinfo(Deno.readTextFileSync("/proc/self/mountinfo"));
}

/** The mounts on a directory, the topmost last. */
export function mountsOn(target: string): MountInfo[] {
  return readMounts().filter(({ mountPoint }) => mountPoint === target);
}

let tools: ReturnType<typeof findTools> | undefined;
/** rest-server and restic; asked for once a file, and only by tests that run. */
export function realTools(): ReturnType<typeof findTools> {
  return tools ??= findTools(() => {});
}

function mountNamespace(pid: string | number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return ""; // It has ended, or is not ours to look at.
  }
}

const ownNamespace = mountNamespace("self");
// unshare(1) starts the test runner in its own place, so whoever started that is on the other side.
const outside = mountNamespace(Deno.ppid);
const isPrivate = outside !== "" && ownNamespace !== outside;
const hasLoop = await Deno.stat("/dev/loop-control").then(() => true, () => false);

/** Processes that live in this namespace, less this one; a zombie is none. */
function processesHere(): Set<number> {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
  return new Set(
    pids.filter((pid) => pid > 0 && pid !== Deno.pid && mountNamespace(pid) === ownNamespace),
  );
}

if (isPrivate) {
  // This namespace began as a copy of the system's: a disk of somebody else that is mounted there must not
  // stay in use for as long as these tests run.
  for (const { mountSource, mountPoint } of readMounts().toReversed()) {
    if (mountSource.startsWith("/dev/loop")) await run("umount", "-l", mountPoint);
  }
}

/** Targets that were served on; their lock files go with the wrapper. */
const targets = new Set<string>();

async function leftovers(mounts: string, processes: ReadonlySet<number>): Promise<string[]> {
  const locks = [...targets].map((target) =>
    `/run/restic-rest-server/${encodeURIComponent(target)}.lock`
  );
  const there = await Promise.all(locks.map((path) => Deno.stat(path).catch(() => null)));
  return [
    ...mounts === Deno.readTextFileSync("/proc/self/mountinfo") ? [] : ["mounts"],
    ...await ownLoopDevices(),
    ...[...processesHere()].filter((pid) => !processes.has(pid)).map((pid) => `process ${pid}`),
    ...locks.filter((_, i) => there[i] !== null),
  ];
}

/** What every system test needs. */
const PROGRAMS: readonly Need[] = [
  "program:losetup",
  "program:mkfs.ext4",
  "program:rest-server",
  "program:restic",
];

/**
 * A test as root in a private mount namespace; it fails, too, if it leaves a mount, a loop device, a
 * process or a lock file behind.
 */
export async function systemTest(
  needs: readonly Need[],
  name: string,
  fn: () => Promise<void>,
): Promise<void> {
  const lack = isPrivate ? "loop devices" : "a mount namespace of its own: unshare -m deno test";
  if (Deno.uid() === 0 && !(isPrivate && hasLoop)) {
    return Deno.test({ name: `${name} [ignored: needs ${lack}]`, ignore: true, fn });
  }
  const all: Need[] = ["root", ...PROGRAMS, ...needs];
  await testWith(all, name, async () => {
    await realTools();
    const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
    const processes = processesHere();
    await fn();
    let left: string[] = [];
    await until(
      async () => (left = await leftovers(mounts, processes)).length === 0,
      "an end with nothing left behind",
      5000,
    ).catch((error) => {
      throw new Error(`left behind: ${left.join(", ")}`, { cause: error });
    });
  });
}

export interface ServeOptions {
  readonly source: string;
  /** `MNT_TARGET`, if it is not the place's own. */
  readonly target?: string;
  /** `--path`; not given: `restic` on the target. */
  readonly path?: string;
  /** Not given: a free port. */
  readonly listen?: string;
  /** Arguments in place of `--no-auth`. */
  readonly args?: readonly string[];
  /** Put in front of the program, such as `setsid`. */
  readonly prefix?: WrapperOptions["prefix"];
  /** More variables. */
  readonly env?: WrapperOptions["env"];
}

/** A directory with a target in it. */
export interface Place extends AsyncDisposable {
  readonly directory: string;
  /** Does not exist yet. */
  readonly target: string;
  /** Starts the program. */
  serve(options: ServeOptions): Wrapper;
}

/**
 * A place to mount on; at the end, what a failed test left mounted there is detached. A test fails, too, if
 * anything was written below a target.
 */
export async function place(): Promise<Place> {
  const { "rest-server": server } = await realTools();
  const temporary = await tempDirectory();
  const directory = await Deno.realPath(temporary.path);
  const own = `${directory}/target`;
  const below = await Below.of(directory);
  targets.add(own);
  return {
    directory,
    target: own,
    serve(options) {
      const { source, target = own, path, listen = "127.0.0.1:0", args = ["--no-auth"] } = options;
      below.note(target);
      return startWrapper({
        prefix: options.prefix ?? [],
        args: ["--path", path ?? `${target}/restic`, "--listen", listen, ...args],
        env: {
          PATH: SYSTEM_PATH,
          MNT_SOURCE: source,
          MNT_TARGET: target,
          MNT_SERVER: server,
          ...options.env,
        },
        cwd: directory,
      });
    },
    async [Symbol.asyncDispose]() {
      for (const { mountPoint } of readMounts().toReversed()) {
        if (mountPoint.startsWith(`${directory}/`)) await run("umount", "-l", mountPoint);
      }
      await forgetRuns(directory, ".status");
      await below[Symbol.asyncDispose]().finally(() => temporary[Symbol.asyncDispose]());
    },
  };
}

/** Mounts a disk beside the target of a place, as a desktop does; gives where. */
export async function mountElsewhere({ directory }: Place, disk: Disk): Promise<string> {
  const elsewhere = `${directory}/elsewhere`;
  await Deno.mkdir(elsewhere);
  await run("mount", disk.path, elsewhere);
  return elsewhere;
}

/** The check program of each file system. */
const FSCK = {
  ext4: ["e2fsck", "-fn"],
  xfs: ["xfs_repair", "-n"],
  btrfs: ["btrfs", "check", "--readonly"],
};
/** What they say of a journal that still has to be played back: the disk was not unmounted cleanly. */
const UNCLEAN = /skipping journal recovery|valuable metadata changes/;

/** Fails unless the file system on a disk is whole and was unmounted cleanly. */
export async function fsck(fstype: keyof typeof FSCK, disk: Disk): Promise<void> {
  const [program, ...args] = FSCK[fstype];
  const said = await runAloud(program!, ...args, disk.path);
  if (UNCLEAN.test(said)) throw new Error(`${disk.path} was not unmounted cleanly:\n${said}`);
}

/** The exit code of a wrapper that must refuse; "it serves" as soon as it does not. */
export async function refusalCode(wrapper: Wrapper): Promise<number | "it serves"> {
  const serves = wrapper.listening().then(() => "it serves" as const, () => wrapper.code());
  return await Promise.race([serves, wrapper.code()]);
}

/** Stops a wrapper that serves on a target: it ends with 0, and nothing is mounted there any more. */
export async function stopCleanly(wrapper: Wrapper, target: string): Promise<void> {
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
  assert.deepEqual(mountsOn(target), []);
}
