/**
 * The C library that Deno's executables are linked to: gokrazy has none.
 *
 * @module
 */
import { runCommand } from "../tools/command.ts";
import { ensurePrograms } from "../tools/debian.ts";
import { elfMachine, TARGETS as MACHINES } from "../tasks/compile.ts";
import type { Apt, Debian } from "./apt.ts";
import { RELEASE, snapshotUrl } from "./apt_text.ts";
import { keptPart } from "./cache.ts";
import {
  DistError,
  imageFile,
  type Origin,
  type Part,
  type Progress,
  readHeader,
} from "./image.ts";
import type { Target } from "./targets.ts";

const LICENCES: Readonly<Record<string, string>> = {
  "libc6": "LGPL-2.1-or-later, parts under GPL-2.0-or-later and others",
  "libgcc-s1": "GPL-3.0-or-later with the GCC Runtime Library Exception",
};

/** Folders in which a loader may look for libraries by itself, those of Debian's first. */
const FOLDERS = ["/lib/", "/usr/lib/", "/lib64/", "/usr/lib64/"];

/**
 * The folder in which this loader looks for libraries: the list is built into it, each with a NUL behind.
 * Debian's looks in /lib, others in /lib64 only.
 */
export function libraryFolder(loader: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(loader);
  return FOLDERS.find((folder) => text.includes(`\0${folder}\0`))?.replace(/\/$/, "");
}

/** Where each file goes. @throws {DistError} for a loader that names no folder of its own. */
function places(target: Target, loader: Uint8Array): Record<string, string> {
  const folder = libraryFolder(loader);
  if (folder === undefined) {
    throw new DistError(`Cannot tell where ${target.loader} finds libraries`);
  }
  const libraries = target.libraries.map((name) => [name, `${folder}/${name}`]);
  return { [baseName(target.loader)]: target.loader, ...Object.fromEntries(libraries) };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Debian's libraries, kept by the checksums of their packages. */
export async function debianGlibc(
  target: Target,
  { binaries }: Debian,
  apt: Apt,
  progress: Progress,
): Promise<Part> {
  const ingredients = [target.arch, ...target.libraries, ...binaries.map(({ sha256 }) => sha256)];
  return await keptPart("glibc", ingredients, progress, async (folder) => {
    const { "dpkg-deb": dpkgDeb } = await ensurePrograms(["dpkg-deb"], progress);
    for (const { name, version } of binaries) {
      progress(`fetching ${name} ${version} for ${target.arch} from Debian ${RELEASE}`);
    }
    const unpacked = `${folder}/unpacked`;
    for (const file of await apt.download(binaries, folder)) {
      await runCommand(dpkgDeb!, ["-x", file, unpacked]);
      await Deno.remove(file);
    }
    const from = `${unpacked}/lib/${target.gnu}`;
    const loader = baseName(target.loader);
    const where = places(target, await Deno.readFile(`${from}/${loader}`));
    for (const name of Object.keys(where)) {
      await Deno.copyFile(`${from}/${name}`, `${folder}/${name}`);
    }
    await Deno.remove(unpacked, { recursive: true });
    return {
      files: Object.entries(where).map(([name, path]) => ({ name, path, mode: 0o755 })),
      origins: binaries.map((binary): Origin => ({
        name: binary.name,
        version: binary.version,
        licence: LICENCES[binary.name]!,
        made: [`Debian ${RELEASE}'s package for ${target.arch}, SHA-256 ${binary.sha256}`],
        source: `Debian's source package ${binary.source.name} ${binary.source.version}, ` +
          snapshotUrl(binary.source),
      })),
    };
  });
}

/** The libraries of a folder that the user names. @throws {DistError} where one is missing or foreign. */
export async function givenGlibc(target: Target, folder: string): Promise<Part> {
  const loader = `${folder}/${baseName(target.loader)}`;
  await readHeader(loader, 20);
  const where = places(target, await Deno.readFile(loader));
  const files = await Promise.all(
    Object.entries(where).map(async ([name, path]) => {
      const local = `${folder}/${name}`;
      if (elfMachine(await readHeader(local, 20)) !== MACHINES[target.deno]) {
        throw new DistError(
          `Cannot use "${local}" of --glibc: it is no library for ${target.arch}`,
        );
      }
      return await imageFile(path, 0o755, local);
    }),
  );
  const origin: Origin = {
    name: "glibc",
    version: "of the user's choice",
    licence: "LGPL-2.1-or-later, parts under GPL-2.0-or-later and others",
    made: ["given by --glibc"],
    source: "to be had from whoever made these libraries",
  };
  return { files, origins: [origin] };
}
