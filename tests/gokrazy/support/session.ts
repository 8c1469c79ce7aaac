/**
 * Scenarios: named tests that share one machine, a file an image and a boot.
 *
 * ```ts
 * const session = new Session(SPEC, { ports: [8000] });
 * await session.scenario("gokrazy boots", 600, async () => void await session.boot());
 * await session.scenario("...", 120, async () => { await session.machine.plug(disk); });
 * session.close();
 * ```
 *
 * @module
 */
import { type Need, testWith } from "../../support/needs.ts";
import { tempDirectory } from "../../support/temp.ts";
import { within } from "../../support/wait.ts";
import { type Image, makeImage } from "./image.ts";
import type { ImageSpec } from "./instance.ts";
import { type BootOptions, Machine } from "./machine.ts";

/** What every scenario needs on the host, besides Go. */
export const PROGRAMS = [
  "qemu-system-aarch64",
  "mkfs.ext4",
  "e2fsck",
  "debugfs",
  "mkfs.vfat",
  "mcopy",
  "mkfs.exfat",
  "fsck.exfat",
] as const;

export interface SessionOptions extends Pick<BootOptions, "ports" | "args" | "reachesHost"> {
  /** What its scenarios need besides. */
  readonly needs?: readonly Need[];
}

export class Session {
  readonly #spec: ImageSpec;
  readonly #options: SessionOptions;
  #temporary: Awaited<ReturnType<typeof tempDirectory>> | undefined;
  #image: Image | undefined;
  #machine: Machine | undefined;

  constructor(spec: ImageSpec, options: SessionOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  /** For disks and the like; goes at the end. */
  async directory(): Promise<string> {
    this.#temporary ??= await tempDirectory();
    return this.#temporary.path;
  }

  get image(): Image {
    if (this.#image === undefined) throw new Error("no image: see the first failure above");
    return this.#image;
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new Error("no machine: see the first failure above");
    return this.#machine;
  }

  /** Boots the system, the first time after building its image; a failed boot is tried once more. */
  async boot(args: readonly string[] = this.#options.args ?? []): Promise<Machine> {
    this.#image ??= await makeImage(this.#spec, (line) => console.log(`gokrazy: ${line}`));
    const options = {
      ...this.#options,
      args,
      image: this.#image,
      directory: await this.directory(),
    };
    this.#machine = await Machine.boot(options).catch(async (error) => {
      console.log(`gokrazy: booting once more: ${error.message}`);
      return await Machine.boot(options);
    });
    return this.#machine;
  }

  /** One named test with a time limit of its own; ignored, with the reason, where a program is missing. */
  async scenario(name: string, limitSeconds: number, fn: () => Promise<void>): Promise<void> {
    const programs = ["go", ...PROGRAMS].map((program): Need => `program:${program}`);
    const needs = [...programs, ...this.#options.needs ?? []];
    await testWith(needs, name, async () => {
      const startMs = performance.now();
      await within(fn(), name, limitSeconds * 1000);
      console.log(`gokrazy: ${Math.round((performance.now() - startMs) / 1000)} s: ${name}`);
    });
  }

  /**
   * Registers the end: QEMU is gone and the directory removed, however the scenarios went.
   *
   * @param more what has to end before the directory goes.
   */
  close(more: () => Promise<void> = async () => {}): void {
    Deno.test.afterAll(async () => {
      await this.#machine?.[Symbol.asyncDispose]();
      await more();
      await this.#temporary?.[Symbol.asyncDispose]();
    });
  }
}
