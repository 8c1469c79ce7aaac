/**
 * A blkid that needs no library: gokrazy has neither. Built from Debian's source package.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { ensurePackage, ensurePrograms } from "../tools/debian.ts";
import { elfMachine, TARGETS as MACHINES } from "../tasks/compile.ts";
import type { Apt, Debian } from "./apt.ts";
import { RELEASE, snapshotUrl } from "./apt_text.ts";
import { keptPart } from "./cache.ts";
import { isStatic } from "./elf.ts";
import { DistError, fileDigest, imageFile, type Part, type Progress, readHeader } from "./image.ts";
import type { Target } from "./targets.ts";

const PATH = "/usr/local/bin/blkid";
const LICENCE = "GPL-2.0-or-later; its library libblkid LGPL-2.1-or-later";

const CONFIGURE = [
  "--disable-all-programs",
  "--enable-blkid",
  "--enable-libblkid",
  "--enable-static-programs=blkid",
  "--disable-shared",
  "--enable-static",
  "--disable-nls",
  "--disable-dependency-tracking",
];

/** No name of a folder of this machine in the program, and the same bytes wherever it is built. */
const CFLAGS = "-O2 -g0 -ffile-prefix-map=$PWD=.";

/** The compiler, and the static library of C that ends up in the program. */
interface Tools {
  readonly gcc: string;
  readonly strip: string;
  readonly gccVersion: string;
  readonly libc: { readonly sha256: string; readonly version: string };
}

/** `GNU C Library (Debian GLIBC 2.36-8cross1) stable release version 2.36.` -> what is in brackets. */
export function libcVersion(archive: string): string {
  return /GNU C Library \((.*?)\) /.exec(archive)?.[1] ?? "of an unknown version";
}

async function findTools(target: Target, progress: Progress): Promise<Tools> {
  const names = [`${target.gnu}-gcc`, `${target.gnu}-strip`, "make", "dpkg-source", "xz"];
  const paths = await ensurePrograms(names, progress);
  const gcc = paths[names[0]!]!;
  const library = async () => (await runCommand(gcc, ["-print-file-name=libc.a"])).join("").trim();
  // Without one it prints the bare name.
  const hasLibrary = async () => (await library()).startsWith("/");
  const native = target.deno.startsWith(Deno.build.arch);
  await ensurePackage(native ? "libc6-dev" : target.libcDev, hasLibrary, progress);
  const libc = await library();
  return {
    gcc,
    strip: paths[names[1]!]!,
    gccVersion: (await runCommand(gcc, ["--version"]))[0] ?? gcc,
    libc: {
      sha256: await fileDigest(libc, "sha256", "hex"),
      version: libcVersion(new TextDecoder("latin1").decode(await Deno.readFile(libc))),
    },
  };
}

/** Runs one step of the build. @throws {DistError} with the last words of the program. */
async function step(what: string, program: string, args: string[], cwd: string): Promise<void> {
  const { PATH = "", HOME = "/" } = Deno.env.toObject();
  const environment = { PATH, HOME, LC_ALL: "C.UTF-8" };
  try {
    await runCommand(program, args, { cwd, environment });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = error.lines.slice(-8).map((line) => `  ${line}`);
    throw new DistError([`Cannot ${what} blkid: ${error.message}`, ...said].join("\n"));
  }
}

/** Debian's blkid, kept by what it is made of. */
export async function debianBlkid(
  target: Target,
  { source }: Debian,
  apt: Apt,
  progress: Progress,
): Promise<Part> {
  const tools = await findTools(target, progress);
  const sums = source.files.map(({ sha256 }) => sha256);
  const ingredients = [
    target.gnu,
    ...sums,
    ...CONFIGURE,
    CFLAGS,
    tools.gccVersion,
    tools.libc.sha256,
  ];
  return await keptPart("blkid", ingredients, progress, async (folder) => {
    progress(`fetching the source of ${source.name} ${source.version} from Debian ${RELEASE}`);
    const description = await apt.downloadSource(source, folder);
    progress(`building blkid for ${target.arch} by ${tools.gccVersion}, about 45 s on 2 cores`);
    const tree = `${folder}/source`;
    // apt has checked the signature of the lists, and the checksums by these.
    const unpack = ["--no-check", "--no-copy", "-x", description, tree];
    await step("unpack the source of", "dpkg-source", unpack, folder);
    // Debian's patches touch configure.ac and Makefile.am; without this make would want all of Autotools.
    await step("prepare", "find", [".", "-exec", "touch", "-r", "configure", "{}", "+"], tree);
    const configure = `./configure --host=${target.gnu} ${
      CONFIGURE.join(" ")
    } CC="$1" CFLAGS="${CFLAGS}"`;
    await step("configure", "sh", ["-c", configure, "sh", tools.gcc], tree);
    const jobs = `-j${navigator.hardwareConcurrency}`;
    await step("build", "make", [jobs, "blkid.static"], tree);
    await step("strip", tools.strip, ["-o", `${folder}/blkid`, `${tree}/blkid.static`], tree);
    await checkBlkid(target, `${folder}/blkid`, "what was built");
    await Deno.remove(tree, { recursive: true });
    for (const { name } of source.files) await Deno.remove(`${folder}/${name}`);
    return {
      files: [{ name: "blkid", path: PATH, mode: 0o755 }],
      origins: [{
        name: "blkid (util-linux)",
        version: source.version,
        licence: LICENCE,
        made: [
          `built from Debian ${RELEASE}'s source package:`,
          ...source.files.map(({ name, sha256 }) => `  ${name}, SHA-256 ${sha256}`),
          `by ${tools.gccVersion}`,
          `configure ${CONFIGURE.join(" ")}; make blkid.static; strip`,
        ],
        source: `Debian's source package ${source.name} ${source.version}, ${snapshotUrl(source)}`,
      }, {
        name: "glibc, linked into blkid",
        version: tools.libc.version,
        licence: "LGPL-2.1-or-later",
        made: [`libc.a of the compiler, SHA-256 ${tools.libc.sha256}`],
        source: "Debian's source packages glibc and cross-toolchain-base, " +
          "https://snapshot.debian.org/package/glibc/",
      }],
    };
  });
}

/** @throws {DistError} where gokrazy could not run it. */
async function checkBlkid(target: Target, path: string, what: string): Promise<void> {
  const header = await readHeader(path, 4096);
  if (elfMachine(header) !== MACHINES[target.deno]) {
    throw new DistError(
      `Cannot use ${what} "${path}" as blkid: it is no program for ${target.arch}`,
    );
  }
  if (!isStatic(header)) {
    throw new DistError(
      `Cannot use ${what} "${path}" as blkid: it is not static, and gokrazy has no libraries for it`,
    );
  }
}

/** The blkid that the user names. */
export async function givenBlkid(target: Target, path: string): Promise<Part> {
  await checkBlkid(target, path, "--blkid");
  return {
    files: [await imageFile(PATH, 0o755, path)],
    origins: [{
      name: "blkid",
      version: "of the user's choice",
      licence: LICENCE,
      made: ["given by --blkid"],
      source: "to be had from whoever made this blkid",
    }],
  };
}
