/**
 * The files that the demo backs up, and the comparison with what restic gives back.
 *
 * @module
 */

/** Folders that hold no sources, anywhere in the tree or at this path. */
const LEFT_OUT = new Set([".git", "node_modules", "coverage", "dist/out"]);

/** What a folder holds: the path of each file and symlink below it, sorted. */
export async function filesBelow(root: string, leftOut = new Set<string>()): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string) => {
    for await (
      const { name, isDirectory, isFile, isSymlink } of Deno.readDir(`${root}/${folder}`)
    ) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (leftOut.has(path) || (isDirectory && leftOut.has(name))) continue;
      if (isDirectory) await walk(path);
      else if (isFile || isSymlink) found.push(path);
    }
  };
  await walk("");
  return found.sort();
}

/** What a path holds: a file's bytes, or where a symlink leads. */
async function contentOf(path: string): Promise<Uint8Array> {
  const { isSymlink } = await Deno.lstat(path);
  if (!isSymlink) return await Deno.readFile(path);
  return new TextEncoder().encode(`symlink to ${await Deno.readLink(path)}`);
}

/**
 * Copies a repository's files, less what git and the builds keep there. It is the copy that is backed up:
 * it holds still while somebody edits the files, and it is ours, so that restic may give it back as it was
 * also in a user namespace, where other owners have no number.
 */
export async function copyRepository(root: string, target: string) {
  const files = await filesBelow(root, LEFT_OUT);
  let copied = 0;
  let bytes = 0;
  for (const file of files) {
    const from = `${root}/${file}`;
    const to = `${target}/${file}`;
    try {
      const { isSymlink, size } = await Deno.lstat(from);
      await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
      if (isSymlink) await Deno.symlink(await Deno.readLink(from), to);
      else await Deno.copyFile(from, to);
      copied++;
      bytes += size;
    } catch (error) {
      // A file that went away since it was listed, as editors' temporary ones do.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return { files: copied, bytes };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Compares two trees byte for byte and names each file that is missing, added or different. */
export async function differences(expected: string, actual: string): Promise<string[]> {
  const [wanted, got] = await Promise.all([filesBelow(expected), filesBelow(actual)]);
  const present = new Set(got);
  const known = new Set(wanted);
  const found = got.filter((file) => !known.has(file)).map((file) => `${file} was added`);
  for (const file of wanted) {
    if (!present.has(file)) {
      found.push(`${file} is missing`);
      continue;
    }
    const [a, b] = await Promise.all(
      [expected, actual].map((root) => contentOf(`${root}/${file}`)),
    );
    if (!sameBytes(a!, b!)) found.push(`${file} differs`);
  }
  return found;
}
