/**
 * Keeps the parts that took long to get: a folder for each, named by a checksum of what went in, and
 * checked by the checksums of its files before it is used again.
 *
 * @module
 */
import { textDigest } from "../tools/digest.ts";
import { lockFolder } from "../tools/lock_folder.ts";
import { cacheRoot } from "../tools/tools.ts";
import {
  fileDigest,
  formatSize,
  type ImageFile,
  imageFile,
  type Origin,
  type Part,
  type Progress,
} from "./image.ts";

/** What the maker of a part says of it; `name` is that of the file in the folder it was given. */
export interface MadePart {
  readonly files: readonly {
    readonly name: string;
    readonly path: string;
    readonly mode: number;
  }[];
  readonly origins: readonly Origin[];
}

/** What lies beside the files of a part. */
interface KeptPart extends Part {
  readonly files: readonly (ImageFile & { readonly name: string })[];
}

const RECORD = "part.json";

/** The folder of everything that is kept for the package. */
export function distCache(): string {
  return `${cacheRoot(Deno.env.toObject())}/gokrazy`;
}

/** A folder of its own for a short time, on the file system of the cache. */
async function temporaryFolder(parent: string): Promise<{ path: string } & AsyncDisposable> {
  const path = `${parent}/${crypto.randomUUID()}.tmp`;
  await Deno.mkdir(path, { recursive: true });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    },
  };
}

/** The part in this folder, where it is whole. */
async function readPart(folder: string, progress: Progress): Promise<Part | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(`${folder}/${RECORD}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { files, origins } = JSON.parse(text) as KeptPart;
  for (const { name, sha256 } of files) {
    const found = await fileDigest(`${folder}/${name}`, "sha256", "hex").catch(() => undefined);
    if (found === sha256) continue;
    progress(`${folder}/${name} is not what was kept there: it is made anew`);
    return undefined;
  }
  return { files: files.map((file) => ({ ...file, local: `${folder}/${file.name}` })), origins };
}

/** Removes what a killed run left: with the lock held, nobody else writes here. */
export async function removeRemains(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".tmp")) await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
}

/**
 * The part that was made from the same things before, else one that is made now.
 *
 * @param name Of the part, as in the lines for the user.
 * @param ingredients All that decides what comes out.
 * @param make Puts the files in the folder that it is given.
 */
export async function keptPart(
  name: string,
  ingredients: readonly string[],
  progress: Progress,
  make: (folder: string) => Promise<MadePart>,
  cache: string = distCache(),
): Promise<Part> {
  const parent = `${cache}/${name}`;
  const folder = `${parent}/${textDigest(JSON.stringify(ingredients)).slice(0, 16)}`;
  await Deno.mkdir(parent, { recursive: true });
  using _lock = await lockFolder(parent, name, progress);
  const kept = await readPart(folder, progress);
  if (kept !== undefined) {
    const bytes = kept.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    progress(`${name}: kept from an earlier run, ${formatSize(bytes)}`);
    return kept;
  }
  await removeRemains(parent);
  await using temporary = await temporaryFolder(parent);
  const made = await make(temporary.path);
  const files = await Promise.all(made.files.map(async ({ name, path, mode }) => ({
    name,
    ...await imageFile(path, mode, `${temporary.path}/${name}`),
  })));
  const record: KeptPart = { files, origins: made.origins };
  await Deno.writeTextFile(`${temporary.path}/${RECORD}`, JSON.stringify(record, null, 2));
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.rename(temporary.path, folder);
  return {
    files: files.map((file) => ({ ...file, local: `${folder}/${file.name}` })),
    origins: made.origins,
  };
}
