/**
 * Debian's packages by apt, in a folder of its own: the host's configuration stays as it is, and an
 * ordinary user can do it.
 *
 * @module
 */
import { CommandError, findProgram, runCommand } from "../tools/command.ts";
import { ensurePackage } from "../tools/debian.ts";
import { lockFolder } from "../tools/lock_folder.ts";
import {
  type BinaryPackage,
  chooseSites,
  configText,
  KEYRING,
  parseBinaries,
  parseSource,
  RELEASE,
  SITE_FORMAT,
  type SourcePackage,
  sourcesText,
} from "./apt_text.ts";
import { distCache } from "./cache.ts";
import { DistError, type Progress } from "./image.ts";
import type { Arch } from "./targets.ts";

/** So long the lists of packages are taken as they are. */
const FRESH_MS = 24 * 3_600_000;

/** The binary packages that the image needs, and the source package that is built for it. */
const BINARIES = ["libc6", "libgcc-s1"] as const;
const SOURCE = "util-linux";

/** What Debian has now. */
export interface Debian {
  readonly binaries: readonly BinaryPackage[];
  readonly source: SourcePackage;
}

/** An answer of apt, kept beside the lists, so that a second run need not ask again. */
interface Kept<Answer> {
  readonly atMs: number;
  readonly sources: string;
  readonly answer: Answer;
}

export class Apt {
  private constructor(readonly folder: string, readonly progress: Progress) {}

  /**
   * What the image takes of Debian.
   *
   * @throws {DistError} on a host without apt or without Debian's keys.
   */
  static async open(arch: Arch, progress: Progress): Promise<{ apt: Apt; debian: Debian }> {
    const [apt, debian] = await Apt.#ask(arch, "found", progress, async (apt) => ({
      binaries: await apt.#binaries(BINARIES),
      source: await apt.#source(SOURCE),
    }));
    return { apt, debian };
  }

  /** As {@linkcode open}, for one binary package by its name. */
  static async openFor(
    name: string,
    arch: Arch,
    progress: Progress,
  ): Promise<{ apt: Apt; binary: BinaryPackage }> {
    const ask = async (apt: Apt) => (await apt.#binaries([name]))[0]!;
    const [apt, binary] = await Apt.#ask(arch, `found-${name}`, progress, ask);
    return { apt, binary };
  }

  /** Prepares the folder; gives what `ask` finds in fresh lists, or found not long ago. */
  static async #ask<Answer>(
    arch: Arch,
    file: string,
    progress: Progress,
    ask: (apt: Apt) => Promise<Answer>,
  ): Promise<[Apt, Answer]> {
    if (await findProgram("apt-get") === undefined) {
      throw new DistError(
        "Cannot fetch Debian's packages: there is no apt-get here; " +
          "take a static blkid by --blkid FILE and the libraries by --glibc DIR",
      );
    }
    const hasKeys = async () => await Deno.stat(KEYRING).then(() => true, () => false);
    await ensurePackage("debian-archive-keyring", hasKeys, progress);

    const folder = `${distCache()}/apt-${arch}`;
    for (const name of ["state/lists/partial", "cache/archives/partial", "log"]) {
      await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    }
    using _lock = await lockFolder(folder, "the lists of Debian's packages", progress);
    const apt = new Apt(folder, progress);
    const lines = await runCommand("apt-get", ["indextargets", "--format", SITE_FORMAT])
      .catch(() => []);
    const sources = sourcesText(chooseSites(lines), arch);
    await Deno.writeTextFile(`${folder}/status`, "");
    await Deno.writeTextFile(`${folder}/sources.list`, sources);
    await Deno.writeTextFile(`${folder}/apt.conf`, configText(folder, arch));
    return [apt, await apt.#look(`${folder}/${file}.json`, sources, () => ask(apt))];
  }

  async #look<Answer>(
    path: string,
    sources: string,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    const kept = await Deno.readTextFile(path)
      .then((text) => JSON.parse(text) as Kept<Answer>, () => undefined);
    const usable = kept?.sources === sources && kept.answer !== undefined ? kept : undefined;
    const ageMs = Date.now() - (usable?.atMs ?? -Infinity);
    if (usable !== undefined && ageMs >= 0 && ageMs < FRESH_MS) return usable.answer;
    this.progress(`fetching the lists of Debian ${RELEASE}'s packages, about 20 MB the first time`);
    try {
      // Without Error-Mode a list that cannot be fetched is a warning, and exit code 0.
      await this.#run("apt-get", ["update", "-o", "APT::Update::Error-Mode=any"]);
    } catch (error) {
      if (usable === undefined || !(error instanceof DistError)) throw error;
      this.progress(
        `${error.message}; going on with those of ${new Date(usable.atMs).toISOString()}`,
      );
      return usable.answer;
    }
    const answer = await ask();
    const text = JSON.stringify({ atMs: Date.now(), sources, answer } satisfies Kept<Answer>);
    await Deno.writeTextFile(`${path}.tmp`, text);
    await Deno.rename(`${path}.tmp`, path);
    return answer;
  }

  async #binaries(names: readonly string[]): Promise<BinaryPackage[]> {
    const shown = await this.#run("apt-cache", ["show", "--no-all-versions", ...names]);
    const binaries = parseBinaries(shown.join("\n"));
    const missing = names.filter((name) => !binaries.some((binary) => binary.name === name));
    if (missing.length === 0) return binaries;
    throw new DistError(`Cannot find ${missing.join(", ")} in Debian ${RELEASE}`);
  }

  async #source(name: string): Promise<SourcePackage> {
    const args = ["source", "--print-uris", "--download-only", "--only-source", name];
    const source = parseSource(name, await this.#run("apt-get", args));
    if (source !== undefined) return source;
    throw new DistError(`Cannot find the source of ${name} in Debian ${RELEASE}`);
  }

  /** Downloads binary packages; gives the paths of their files, in this order. */
  async download(packages: readonly BinaryPackage[], folder: string): Promise<string[]> {
    const wanted = packages.map(({ name, version }) => `${name}=${version}`);
    await this.#run("apt-get", ["download", ...wanted], folder);
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
    return packages.map(({ name }) =>
      `${folder}/${names.find((file) => file.startsWith(`${name}_`) && file.endsWith(".deb"))}`
    );
  }

  /** Downloads the files of a source package; gives the path of its description. */
  async downloadSource({ name, version, files }: SourcePackage, folder: string): Promise<string> {
    const args = ["source", "--download-only", "--only-source", `${name}=${version}`];
    await this.#run("apt-get", args, folder);
    return `${folder}/${files.find((file) => file.name.endsWith(".dsc"))!.name}`;
  }

  async #run(program: string, args: readonly string[], cwd = this.folder): Promise<string[]> {
    const environment = { ...Deno.env.toObject(), LC_ALL: "C.UTF-8" };
    try {
      return await runCommand(program, ["-c", `${this.folder}/apt.conf`, "-q", ...args], {
        cwd,
        environment,
      });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const said = error.lines.filter((line) => /^[EW]: /.test(line)).join(" ") || error.message;
      throw new DistError(`Cannot get packages of Debian ${RELEASE}: ${said}`, { cause: error });
    }
  }
}
