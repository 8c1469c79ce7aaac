/**
 * Builds a gokrazy image with gok, from Go modules pinned in dist/tools/gokrazy/, and keeps it in the
 * user's cache until what goes in changes.
 *
 * @module
 */
import { putNames } from "../../../dist/gokrazy/package.ts";
import { CommandError, findProgram, runCommand } from "../../../dist/tools/command.ts";
import { textDigest } from "../../../dist/tools/digest.ts";
import { lockFolder } from "../../../dist/tools/lock_folder.ts";
import { cacheRoot } from "../../../dist/tools/tools.ts";
import { run } from "../../support/command.ts";
import { tempDirectory } from "../../support/temp.ts";
import {
  completeConfig,
  firstPartitionGuid,
  type ImageSpec,
  moduleName,
  renameModule,
} from "./instance.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const MODULES = `${ROOT}dist/tools/gokrazy`;
const AGENT = `${ROOT}tests/gokrazy/agent`;
/** Where `deno task dist` leaves its package. */
export const PACKAGE = `${ROOT}dist/out/gokrazy`;

/** Size of the whole storage; gok puts two roots of 500 MB before /perm. */
const STORAGE_BYTES = 1_258_299_392;
/** What gok leaves for /perm: see the mkfs line that it prints. */
export const PERM = { offsetBytes: 1_157_627_904, sizeKib: 98_295 };
/** The active root file system, by gok's fixed layout. */
const ROOT_OFFSET_BYTES = 8192 * 512 + 100 * 1024 ** 2;

export interface Image {
  readonly spec: ImageSpec;
  readonly path: string;
  /** UEFI for QEMU. */
  readonly firmware: string;
  readonly vmlinuz: string;
  /** What the kernel is given where QEMU loads it itself. */
  readonly commandLine: string;
}

type Progress = (line: string) => void;

/** Runs Go with `args`, in the folder of the pinned modules. */
async function go(args: readonly string[], onLine?: Progress): Promise<string[]> {
  const program = await findProgram("go");
  if (program === undefined) throw new Error("Cannot build an image: there is no Go");
  // gok starts Go by its name.
  const path = `${program.replace(/\/go$/, "")}:${Deno.env.get("PATH") ?? ""}`;
  const environment = { ...Deno.env.toObject(), PATH: path, GOWORK: "off", GOOS: "", GOARCH: "" };
  try {
    return await runCommand(program, args, {
      cwd: MODULES,
      environment,
      ...(onLine === undefined ? {} : { onLine }),
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new Error(`${error.message}:\n  ${error.lines.slice(-15).join("\n  ")}`);
  }
}

/** The folder of a module of go.mod, fetched if it is not there. */
async function moduleFolder(name: string): Promise<string> {
  const lines = await go(["mod", "download", "-json", name]);
  return (JSON.parse(lines.join("\n")) as { Dir: string }).Dir;
}

async function fileNamed(folder: string, name: string): Promise<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isFile && entry.name === name) return path;
    if (entry.isDirectory) {
      const found = await fileNamed(path, name).catch(() => undefined);
      if (found !== undefined) return found;
    }
  }
  throw new Error(`Cannot find "${name}" in "${folder}"`);
}

/** Paths and digests of all files below some folders. */
async function digests(folders: readonly string[]): Promise<string[]> {
  const lines = await Promise.all(folders.map((folder) => run("find", folder, "-type", "f")));
  const files = lines.join("\n").split("\n").filter((line) => line !== "").toSorted();
  return (await run("sha256sum", ...files)).split("\n");
}

async function imageKey(spec: ImageSpec): Promise<string> {
  const folders = [MODULES, AGENT, ...(spec.engine === "none" ? [] : [PACKAGE])];
  if (spec.kernel.folder !== undefined) folders.push(spec.kernel.folder);
  const own = [import.meta.filename!, `${import.meta.dirname}/instance.ts`];
  const text = [JSON.stringify(spec), ...await digests([...folders, ...own])].join("\n");
  return textDigest(text);
}

/** Makes an instance in `parent` as its owner would, by `gok new` and `gok add`, and writes its image. */
async function build(spec: ImageSpec, parent: string, output: string): Promise<void> {
  const gok = (...args: string[]) =>
    go(["tool", "gok", "-i", "test", "--parent_dir", parent, ...args]);
  await gok("new", "--empty");
  const instance = `${parent}/test`;
  // One go.mod for every package that is not added from a folder: gok looks for it upwards.
  await Deno.mkdir(`${instance}/builddir`);
  const goMod = await Deno.readTextFile(`${MODULES}/go.mod`);
  await Deno.writeTextFile(`${instance}/builddir/go.mod`, renameModule(goMod, "gokrazy/build"));
  await Deno.copyFile(`${MODULES}/go.sum`, `${instance}/builddir/go.sum`);

  await gok("add", AGENT);
  let main: string | undefined;
  if (spec.engine !== "none") {
    // A copy, with a name for each service as `deno task dist --name` makes it.
    const folder = `${parent}/package`;
    await run("cp", "-r", PACKAGE, folder);
    await putNames(folder, spec.services.map(({ name }) => name));
    await gok("add", folder);
    main = moduleName(await Deno.readTextFile(`${folder}/go.mod`));
    for (const { name } of spec.services) await gok("add", `${folder}/${name}`);
  }
  const { package: kernel, folder } = spec.kernel;
  if (folder !== undefined) {
    const builddir = `${instance}/builddir/${kernel}`;
    await Deno.mkdir(builddir, { recursive: true });
    const lines = [`module gokrazy/build/kernel`, `replace ${kernel} => ${folder}`, "go 1.22"];
    const zero = `require ${kernel} v0.0.0-00010101000000-000000000000`;
    await Deno.writeTextFile(`${builddir}/go.mod`, [...lines, zero, ""].join("\n"));
  }
  const config = await Deno.readTextFile(`${instance}/config.json`);
  await Deno.writeTextFile(`${instance}/config.json`, completeConfig(config, spec, main));

  const size = `--target_storage_bytes=${STORAGE_BYTES}`;
  await gok("overwrite", `--full=${output}`, size, "--sudo=never");
  const offset = `offset=${PERM.offsetBytes}`;
  await run("mkfs.ext4", "-q", "-F", "-E", offset, output, `${PERM.sizeKib}k`);
}

/** `deno task dist`, with the lines that it prints. */
async function makePackage(engine: string, progress: Progress): Promise<void> {
  const task = `${ROOT}dist/tasks/dist.ts`;
  const args = ["run", "--quiet", "--allow-all", task, "--engine", engine];
  await runCommand(Deno.execPath(), args, { cwd: ROOT, onLine: progress }).catch((error) => {
    const said = error instanceof CommandError ? error.lines.slice(-15).join("\n  ") : "";
    throw new Error(`Cannot make the package:\n  ${said}`, { cause: error });
  });
}

/**
 * The image of a specification: from the cache, or built; every download is checked against go.sum.
 *
 * @throws {Error} with what gok or Go said, where it cannot be built.
 */
export async function makeImage(spec: ImageSpec, progress: Progress): Promise<Image> {
  if (spec.engine !== "none") await makePackage(spec.engine, progress);
  const folder = `${cacheRoot(Deno.env.toObject())}/gokrazy`;
  await Deno.mkdir(folder, { recursive: true });
  using _lock = await lockFolder(folder, "an image", progress);
  const path = `${folder}/${spec.name}.img`;
  const key = await imageKey(spec);
  const kept = await Deno.readTextFile(`${path}.key`).catch(() => "");
  if (kept !== key) {
    progress(`building the image "${spec.name}" with gok: half a minute, the first time 3 minutes`);
    const startMs = performance.now();
    await using parent = await tempDirectory();
    const temporary = `${path}.tmp`;
    await Deno.remove(temporary).catch(() => {});
    await build(spec, parent.path, temporary);
    await Deno.remove(`${path}.key`).catch(() => {});
    // In place of the old one at once: another run may be copying that.
    await Deno.rename(temporary, path);
    await Deno.writeTextFile(`${path}.key`, key);
    progress(`built in ${Math.round((performance.now() - startMs) / 1000)} s, kept as ${path}`);
  }
  const kernel = spec.kernel.folder ?? await moduleFolder(spec.kernel.package);
  const tools = await moduleFolder("github.com/gokrazy/tools");
  const guid = firstPartitionGuid(await firstBytes(path, 4096));
  return {
    spec,
    path,
    firmware: await fileNamed(`${tools}/third_party`, "QEMU_EFI.fd"),
    vmlinuz: `${kernel}/vmlinuz`,
    commandLine: "console=ttyAMA0,115200 " +
      `root=PARTUUID=${guid}/PARTNROFF=1 ro init=/gokrazy/init panic=10 oops=panic`,
  };
}

async function firstBytes(path: string, count: number, offset = 0): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(count);
  for (let read = 0; read < count;) {
    const more = await file.read(bytes.subarray(read));
    if (more === null) throw new Error(`Cannot read "${path}": it is too short`);
    read += more;
  }
  return bytes;
}

/** Bytes of the root file system, from the squashfs super block (bytes_used). */
export async function rootSizeBytes(image: Image): Promise<number> {
  const block = await firstBytes(image.path, 96, ROOT_OFFSET_BYTES);
  const view = new DataView(block.buffer);
  if (view.getUint32(0, true) !== 0x73717368) throw new Error("Cannot find the root: no squashfs");
  return Number(view.getBigUint64(40, true));
}

/** SHA-256 of the root partition of an image file, which no boot may change. */
export async function rootDigest(path: string): Promise<string> {
  const from = String(ROOT_OFFSET_BYTES / 1024 ** 2);
  const script = `dd if="$0" bs=1M skip=${from} count=500 status=none | sha256sum`;
  return (await run("sh", "-c", script, path)).split(" ", 1)[0]!;
}
