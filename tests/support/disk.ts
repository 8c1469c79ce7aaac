/**
 * Disks for tests: files behind loop devices. Labels and UUIDs are random, so that tests that run at the
 * same time, and what a killed one left, never clash.
 *
 * @module
 */
import { run } from "./command.ts";
import { writeGpt } from "./gpt.ts";
import { tempDirectory } from "./temp.ts";
import { until } from "./wait.ts";

const MIB = 1024 ** 2;

/** What is needed of a file system: its smallest handy size, and how to make it. */
const FILE_SYSTEMS = {
  ext4: {
    sizeBytes: 64 * MIB,
    mkfs: (uuid: string, label: string) => ["mkfs.ext4", "-q", "-F", "-U", uuid, "-L", label],
  },
  xfs: {
    sizeBytes: 320 * MIB,
    mkfs: (uuid: string, label: string) => [
      "mkfs.xfs",
      "-q",
      "-f",
      "-m",
      `uuid=${uuid}`,
      "-L",
      label,
    ],
  },
  btrfs: {
    sizeBytes: 128 * MIB,
    mkfs: (uuid: string, label: string) => ["mkfs.btrfs", "-q", "-f", "-U", uuid, "-L", label],
  },
};
export type DiskType = keyof typeof FILE_SYSTEMS;

export interface DiskOptions {
  /** `null`: a blank disk, for {@linkcode Disk.format}. */
  readonly fstype: DiskType | null;
  readonly uuid?: string;
  readonly label?: string;
  readonly sizeBytes?: number;
  /** Where the image lies; not given: in a temporary directory. */
  readonly directory?: string;
  /** Puts the file system into the one partition of a GPT. */
  readonly partition?: { readonly uuid: string; readonly label: string };
}

/** Images made by this process: none of them may be attached once its test is over. */
const images = new Set<string>();

/** `/dev/loopN` -> the file behind it. */
export async function loopDevices(): Promise<Map<string, string>> {
  const loops = new Map<string, string>();
  for await (const { name } of Deno.readDir("/sys/block")) {
    if (!name.startsWith("loop")) continue;
    const file = await Deno.readTextFile(`/sys/block/${name}/loop/backing_file`).catch(() => "");
    if (file !== "") loops.set(`/dev/${name}`, file.trim());
  }
  return loops;
}

/** Loop devices of this process's images that are attached now. */
export async function ownLoopDevices(): Promise<string[]> {
  return [...await loopDevices()].filter(([, file]) => images.has(file)).map(([path]) => path);
}

/** A random label that every file system takes: xfs allows 12 bytes. */
export function randomLabel(): string {
  return `rrs-${crypto.randomUUID().slice(0, 8)}`;
}

/** One disk; it can be plugged in and pulled. */
export class Disk implements AsyncDisposable {
  readonly uuid: string;
  readonly label: string;
  #device: string | undefined;
  readonly #partitioned: boolean;

  private constructor(
    readonly image: string,
    readonly options: DiskOptions,
    private readonly directory: AsyncDisposable | undefined,
  ) {
    this.uuid = options.uuid ?? crypto.randomUUID();
    this.label = options.label ?? randomLabel();
    this.#partitioned = options.partition !== undefined;
  }

  /** A disk that is not plugged in; its file system is on it already, unless it is partitioned. */
  static async make(options: DiskOptions): Promise<Disk> {
    const directory = options.directory === undefined ? await tempDirectory() : undefined;
    const image = `${options.directory ?? directory!.path}/disk.img`;
    const disk = new Disk(image, options, directory);
    images.add(disk.image);
    const { sizeBytes = FILE_SYSTEMS[options.fstype ?? "ext4"].sizeBytes, partition } = options;
    await Deno.writeFile(disk.image, new Uint8Array());
    await Deno.truncate(disk.image, sizeBytes + (partition === undefined ? 0 : 2 * MIB));
    if (partition !== undefined) await writeGpt(disk.image, partition);
    else if (options.fstype !== null) await disk.#mkfs(options.fstype, disk.image);
    return disk;
  }

  async #mkfs(fstype: DiskType, path: string): Promise<void> {
    const [program, ...args] = FILE_SYSTEMS[fstype].mkfs(this.uuid, this.label);
    await run(program!, ...args, path);
  }

  /** Where the file system is: the disk, or its partition. */
  get path(): string {
    if (this.#device === undefined) throw new Error(`${this.image} is not attached`);
    return this.#partitioned ? `${this.#device}p1` : this.#device;
  }

  /** Makes a file system on a disk that is plugged in. */
  async format(fstype: DiskType): Promise<void> {
    await this.#mkfs(fstype, this.path);
  }

  /** Plugs the disk in. */
  async attach(): Promise<void> {
    // Somebody else can take the free device between the search and the use.
    this.#device = await until(
      () => run("losetup", "--find", "--show", "--partscan", this.image).catch(() => null),
      `a free loop device for ${this.image}`,
      10_000,
    );
    if (!this.#partitioned) return;
    // Not every kernel reads partition tables itself.
    if (await Deno.stat(this.path).catch(() => null) === null) {
      await run("partx", "-a", this.#device);
    }
    if (this.options.fstype !== null) await this.#mkfs(this.options.fstype, this.path);
  }

  /** Pulls the disk; one that is still mounted goes once it is not. */
  async detach(): Promise<void> {
    const device = this.#device;
    this.#device = undefined;
    const attached = async () =>
      device !== undefined && (await loopDevices()).get(device) === this.image;
    if (device === undefined || !await attached()) return;
    if (this.#partitioned) await run("partx", "-d", device).catch(() => {});
    await run("losetup", "--detach", device);
    await until(async () => !await attached(), `${device} is detached`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
    await this.directory?.[Symbol.asyncDispose]();
  }
}

/** A disk that is plugged in. */
export async function loopDisk(options: DiskOptions): Promise<Disk> {
  const disk = await Disk.make(options);
  try {
    await disk.attach();
  } catch (error) {
    await disk[Symbol.asyncDispose]();
    throw error;
  }
  return disk;
}

/**
 * Two disks that are one btrfs, not plugged in. Both have the UUID and the label of the file system.
 *
 * @param options of mkfs.btrfs(8); not given: only its own data are on both disks.
 */
export async function btrfsPair(
  ...options: readonly string[]
): Promise<{ members: [Disk, Disk] } & AsyncDisposable> {
  const shared = { uuid: crypto.randomUUID(), label: randomLabel() };
  await using stack = new AsyncDisposableStack();
  const sizeBytes = FILE_SYSTEMS.btrfs.sizeBytes;
  const make = async () => stack.use(await Disk.make({ fstype: null, sizeBytes, ...shared }));
  const members: [Disk, Disk] = [await make(), await make()];
  const [program, ...args] = FILE_SYSTEMS.btrfs.mkfs(shared.uuid, shared.label);
  await run(program!, ...args, ...options, ...members.map(({ image }) => image));
  const owned = stack.move();
  return { members, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
