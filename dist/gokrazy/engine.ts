/**
 * The two ways in which the program gets into the image.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import { CompileError, compileProgram, PERMISSIONS } from "../tasks/compile.ts";
import { BUNDLE_PATH, bundleProgram, STARTER_PATH, starterText } from "./bundle.ts";
import { keptPart } from "./cache.ts";
import { DENO_PATH, denoExecutable } from "./deno_package.ts";
import {
  DistError,
  fileDigest,
  imageFile,
  type Origin,
  type Part,
  type Progress,
} from "./image.ts";
import type { Engine } from "./options.ts";
import type { Target } from "./targets.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** What was made of the program, and how. */
export interface Program extends Part {
  readonly engine: Engine;
  /** Why it is not what would have been taken first. */
  readonly note: string | undefined;
}

function ourselves(made: readonly string[]): Origin {
  return {
    name: config.name,
    version: config.version,
    licence: config.license,
    made: [...made, "with @logtape/logtape, MIT, from npm"],
    source: "the repository that this package was made from",
  };
}

/** The checksums of all files that the executable is made of. */
async function sourceDigests(): Promise<string[]> {
  const names = ["main.ts", "deno.json", "deno.lock"];
  for (const folder of ["mod", "ffi"]) {
    const entries = await Array.fromAsync(Deno.readDir(`${ROOT}/${folder}`));
    names.push(...entries.map(({ name }) => `${folder}/${name}`));
  }
  return await Promise.all(
    names.toSorted().map(async (name) =>
      `${name} ${await fileDigest(`${ROOT}/${name}`, "sha256", "hex")}`
    ),
  );
}

/** @throws {CompileError} */
async function compiled({ deno: target }: Target, progress: Progress): Promise<Program> {
  const runtime = Deno.env.get("DENORT_BIN");
  const ingredients = [
    target,
    Deno.version.deno,
    ...PERMISSIONS,
    runtime === undefined ? "" : await fileDigest(runtime, "sha256", "hex").catch(() => runtime),
    ...await sourceDigests(),
  ];
  const part = await keptPart("program", ingredients, progress, async (folder) => {
    progress(`compiling the program for ${target} with Deno ${Deno.version.deno}`);
    await compileProgram(target, `${folder}/restic-rest-server`);
    const how = [
      `deno compile ${PERMISSIONS.join(" ")}`,
      `with denort of Deno ${Deno.version.deno}`,
    ];
    const runtimeOrigin: Origin = {
      name: "denort, in the program",
      version: Deno.version.deno,
      licence: "MIT; V8 and others that it contains have licences of their own",
      made: [runtime === undefined ? "downloaded by deno compile" : "given by DENORT_BIN"],
      source: `https://github.com/denoland/deno/tree/v${Deno.version.deno}`,
    };
    return {
      files: [{ name: "restic-rest-server", path: STARTER_PATH, mode: 0o755 }],
      origins: [ourselves(how), runtimeOrigin],
    };
  });
  return { ...part, engine: "compile", note: undefined };
}

async function script(target: Target, folder: string, progress: Progress): Promise<Program> {
  progress("bundling the program to one JavaScript file");
  const [starter, bundle] = [`${folder}/starter`, `${folder}/bundle.js`];
  await bundleProgram(bundle);
  await Deno.writeTextFile(starter, starterText(DENO_PATH, BUNDLE_PATH));
  const deno = await denoExecutable(target, progress);
  const own = await Promise.all([
    imageFile(STARTER_PATH, 0o755, starter),
    imageFile(BUNDLE_PATH, 0o644, bundle),
  ]);
  const origins = [
    ourselves(["deno bundle, one JavaScript file and its starter"]),
    ...deno.origins,
  ];
  return { files: [...own, ...deno.files], origins, engine: "script", note: undefined };
}

/**
 * The program by the engine that is asked for; with none asked for, compiled where the runtime can be had.
 *
 * @param folder For files that are only needed until the archive is written.
 * @throws {DistError} where it cannot be made in the way that is asked for.
 */
export async function makeProgram(
  target: Target,
  engine: Engine | undefined,
  folder: string,
  progress: Progress,
): Promise<Program> {
  if (engine === "script") return await script(target, folder, progress);
  try {
    return await compiled(target, progress);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    if (engine === "compile" || !error.needsRuntime) {
      throw new DistError(error.message, { cause: error });
    }
    const note = error.message.split("\n")[0]!;
    progress(note);
    progress("taking the engine script instead: a JavaScript file, with Deno beside it");
    return { ...await script(target, folder, progress), note };
  }
}
