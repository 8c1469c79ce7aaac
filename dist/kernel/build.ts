/**
 * The steps from a package with the kernel's source to an Image: each does one thing to the world.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { parseFragment, rejectedOptions, rejectedText } from "./fragment.ts";
import { IMAGE_HEADER_BYTES, isArm64Image } from "./package.ts";

/** On arm64 the machine's own compiler does. */
const CROSS = Deno.build.arch === "aarch64" ? "" : "aarch64-linux-gnu-";
const COMPILER = `${CROSS}gcc`;

/** What a build runs; make and the plain gcc are for the programs that the kernel's build builds for itself. */
export const PROGRAMS = [
  "make",
  "gcc",
  COMPILER,
  "flex",
  "bison",
  "bc",
  "xz",
  "tar",
  "dpkg-deb",
  "apt-get",
];

/**
 * What goes into the Image besides source, options and compiler: the same again for the same input.
 * See the kernel's Documentation/kbuild/reproducible-builds.rst.
 */
const VARIABLES = {
  ARCH: "arm64",
  CROSS_COMPILE: CROSS,
  KBUILD_BUILD_USER: "restic-rest-server",
  KBUILD_BUILD_HOST: "debian",
  KBUILD_BUILD_VERSION: "1",
  LC_ALL: "C",
} as const;
/** What tinyconfig starts from: all options off that can be. */
const BASE = "kernel/configs/tiny-base.config";
/** `-n`: what no file names is off too, where merge_config.sh alone would take its default. */
const MERGE = ["scripts/kconfig/merge_config.sh", "-n", BASE];
const TARGET = "Image";
const IMAGE = "arch/arm64/boot/Image";

/** What a build is made of but its inputs, for the key of the cache. */
export const RECIPE = [JSON.stringify(VARIABLES), ...MERGE, TARGET];

const PROGRESS_MS = 20_000;

export interface Step {
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The first lines of what compiler and linker say of their versions. */
export async function compilerVersion({ signal }: Step): Promise<string> {
  const said = await Promise.all(
    [COMPILER, `${CROSS}ld`].map((program) => runCommand(program, ["--version"], { signal })),
  );
  return said.map(([line]) => line ?? "").join(", ");
}

/** The tree in a package file of linux-source, unpacked into a new folder below `folder`. */
export async function unpackSource(
  packageFile: string,
  name: string,
  folder: string,
  { progress, signal }: Step,
): Promise<{ tree: string; made: Date }> {
  const { size } = await Deno.stat(packageFile);
  progress(`unpacking ${name}: ${(size / 1e6).toFixed(0)} MB, 1.4 GB when unpacked`);
  await runCommand("dpkg-deb", ["--extract", packageFile, `${folder}/package`], { signal });
  const archive = `${folder}/package/usr/src/${name}.tar.xz`;
  // dpkg-deb keeps the time at which Debian packed it: the kernel's build gets no other clock.
  const { mtime } = await Deno.stat(archive);
  await runCommand("tar", ["--extract", "--file", archive, "--directory", folder], { signal });
  await Deno.remove(`${folder}/package`, { recursive: true });
  return { tree: `${folder}/${name}`, made: mtime! };
}

function makeEnvironment(made: Date): Record<string, string> {
  const { PATH = "", HOME = "/" } = Deno.env.toObject();
  return { PATH, HOME, ...VARIABLES, KBUILD_BUILD_TIMESTAMP: made.toUTCString() };
}

/**
 * Configures the tree by a fragment; gives the finished `.config`.
 *
 * @throws {Error} that names the options which Kconfig did not take.
 */
export async function configure(
  tree: string,
  fragmentFile: string,
  made: Date,
  { progress, signal }: Step,
): Promise<string> {
  const fragment = parseFragment(await Deno.readTextFile(fragmentFile));
  progress(`configuring: ${fragment.length} options on top of ${BASE}`);
  const environment = makeEnvironment(made);
  await runCommand("sh", [...MERGE, fragmentFile], { cwd: tree, environment, signal });
  const config = await Deno.readTextFile(`${tree}/.config`);
  const rejected = rejectedOptions(fragment, config);
  if (rejected.length > 0) throw new Error(rejectedText(rejected, fragmentFile));
  return config;
}

/** Compiles the Image; gives its path. @throws {Error} with the compiler's last lines. */
export async function compile(
  tree: string,
  made: Date,
  { progress, signal }: Step,
): Promise<string> {
  const jobs = navigator.hardwareConcurrency;
  progress(`compiling with ${jobs} jobs: 5 to 20 minutes on 2 cores`);
  const started = performance.now();
  let files = 0;
  const say = () => {
    const seconds = Math.round((performance.now() - started) / 1000);
    progress(`compiled ${files} files, ${seconds} s`);
  };
  const heartbeat = setInterval(say, PROGRESS_MS);
  try {
    await runCommand("make", [`-j${jobs}`, TARGET], {
      cwd: tree,
      environment: makeEnvironment(made),
      signal,
      onLine: (line) => files += /^ {2}(CC|AS) /.test(line) ? 1 : 0,
    });
    say();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new Error(
      `Cannot compile the kernel: ${error.message}\n  ${error.lines.slice(-15).join("\n  ")}`,
    );
  } finally {
    clearInterval(heartbeat);
  }
  await checkImage(`${tree}/${IMAGE}`);
  return `${tree}/${IMAGE}`;
}

async function checkImage(path: string): Promise<void> {
  const header = new Uint8Array(IMAGE_HEADER_BYTES);
  using file = await Deno.open(path);
  const length = await file.read(header);
  if (length !== header.length || !isArm64Image(header)) {
    throw new Error(`Cannot use "${path}": it is no arm64 kernel`);
  }
}
