/**
 * A kernel package from the cache, or built into it.
 *
 * @module
 */
import { lockFolder } from "../tools/lock_folder.ts";
import { cacheRoot } from "../tools/tools.ts";
import { compile, compilerVersion, configure, RECIPE, type Step, unpackSource } from "./build.ts";
import { kernelKey, type Origin, packageFiles } from "./package.ts";
import { findSource, type Source, SOURCE_PACKAGE } from "./source.ts";

/** The options, beside this file. */
export const FRAGMENT_FILE = new URL("gokrazy-btrfs.config", import.meta.url).pathname;

/** Builds in `work`, and leaves the finished package in `target`. */
async function build(
  source: Source,
  origin: Origin,
  work: string,
  target: string,
  step: Step,
): Promise<void> {
  const file = await source.fetch(work);
  const { tree, made } = await unpackSource(file, origin.source, work, step);
  const config = await configure(tree, FRAGMENT_FILE, made, step);
  const image = await compile(tree, made, step);
  const finished = `${work}/finished`;
  await Deno.mkdir(finished);
  await Deno.copyFile(image, `${finished}/vmlinuz`);
  for (const [name, text] of Object.entries(packageFiles(origin, config))) {
    await Deno.writeTextFile(`${finished}/${name}`, text);
  }
  // The last step: what lies under its own name is whole.
  await Deno.rename(finished, target);
}

async function removeIfAny(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/**
 * The folder with the package for what apt, compiler and options are now; built where the cache has none.
 *
 * @throws {Error} that says which step failed.
 */
export async function kernelPackage(step: Step): Promise<string> {
  const source = await findSource(step);
  const { version, sha256 } = source;
  const compiler = await compilerVersion(step);
  const origin = { source: SOURCE_PACKAGE, version, sha256, compiler };
  const key = kernelKey(origin, await Deno.readTextFile(FRAGMENT_FILE), RECIPE);
  const folder = `${cacheRoot(Deno.env.toObject())}/kernel`;
  const target = `${folder}/${key}`;
  const what = `Linux from ${origin.source} ${origin.version}`;
  if (!await exists(target)) {
    await Deno.mkdir(folder, { recursive: true });
    using _lock = await lockFolder(folder, "a kernel", step.progress, step.signal);
    if (!await exists(target)) {
      const work = `${folder}/work`;
      // What a killed build left: with the lock held, nobody else writes here.
      await removeIfAny(work);
      await Deno.mkdir(work);
      try {
        step.progress(`${what}, by ${origin.compiler}`);
        await build(source, origin, work, target, step);
      } finally {
        await removeIfAny(work);
      }
    }
  }
  step.progress(`${what}: ${target}`);
  return target;
}
