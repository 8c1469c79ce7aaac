/**
 * Where lock files and status files are kept.
 *
 * @module
 */
import { errnoOf, Failure, messageOf, passes } from "./exit.ts";

/**
 * Others may enter, to read status files; a lock file is for its owner alone, for whoever can open it can
 * hold its lock.
 */
const MODE = 0o755;

/** Where lock files of a user can be, the first choice first. */
export function runDirectories(
  environment: Readonly<Record<string, string>>,
  uid: number | null,
): string[] {
  const runtime = environment["XDG_RUNTIME_DIR"];
  return [
    ...(uid === 0 ? ["/run/restic-rest-server"] : []),
    ...(runtime ? [`${runtime}/restic-rest-server`] : []),
    `/tmp/restic-rest-server-${uid}`,
  ];
}

/**
 * The first directory of the usual ones that this process owns or can make: `/run` for root, else the
 * user's runtime directory, else `/tmp`. Made where it is missing; only this user can write to it.
 *
 * @throws {Failure} "configuration" where none of them is this user's, "busy" where one is full.
 */
export async function chooseRunDirectory(
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const uid = Deno.uid();
  const candidates = runDirectories(environment, uid);
  let passing: unknown;
  for (const path of candidates) {
    try {
      Deno.mkdirSync(path, { recursive: true, mode: MODE });
      // In /tmp somebody else may have made it first, to hold our locks for us.
      const { uid: owner, mode } = Deno.lstatSync(path);
      if (owner !== uid) continue;
      // A umask, or an earlier version of this program, made it narrower.
      if ((mode! & 0o777) !== MODE) await Deno.chmod(path, MODE).catch(() => {});
      return path;
    } catch (error) {
      // The next one.
      if (passes(errnoOf(error))) passing ??= error;
    }
  }
  const cannot = `Cannot keep lock files: none of ${
    candidates.map((path) => `"${path}"`).join(", ")
  } can be made`;
  if (passing !== undefined) {
    throw new Failure("busy", `${cannot}: ${messageOf(passing)}; check what fills it`);
  }
  throw new Failure(
    "configuration",
    `${cannot} or belongs to this user; set XDG_RUNTIME_DIR to a directory of this user`,
  );
}

/**
 * The directories that are there, of root and of this user. What anybody else calls a status is not
 * believed.
 */
export async function findRunDirectories(
  environment: Readonly<Record<string, string>>,
): Promise<string[]> {
  const uid = Deno.uid();
  const places = new Set([...runDirectories(environment, 0), ...runDirectories(environment, uid)]);
  const owned = await Promise.all([...places].map(async (path) => {
    const info = await Deno.lstat(path).catch(() => null);
    return info?.isDirectory && (info.uid === 0 || info.uid === uid) ? [path] : [];
  }));
  return owned.flat();
}
