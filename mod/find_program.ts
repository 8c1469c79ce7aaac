/**
 * Finding the programs that are run.
 *
 * @module
 */
import { Failure } from "./exit.ts";
import type { World } from "./world.ts";

/** `e_machine` of the ELF files that each kernel runs, from `include/uapi/linux/elf-em.h`. */
const ELF_MACHINES = { x86_64: [62, 3], aarch64: [183, 40] } as const;

/**
 * Why a kernel would refuse to execute a file with ENOEXEC; the spawn would then hand it to /bin/sh, with
 * strange results. What cannot be read is left to the kernel.
 */
async function formatFault(path: string, world: World): Promise<string | undefined> {
  const head = await world.files.readAt(path, 0, 20).catch(() => undefined);
  if (head === undefined || (head[0] === 0x23 && head[1] === 0x21)) return undefined;
  const isElf = [0x7f, 0x45, 0x4c, 0x46].every((byte, i) => head[i] === byte);
  if (!isElf || head.length < 20) return "it is neither a program nor a script; build it anew";
  const machine = head[18]! | (head[19]! << 8);
  const machines: readonly number[] = ELF_MACHINES[Deno.build.arch];
  return machines.includes(machine)
    ? undefined
    : `it is built for another machine (e_machine ${machine}), not for ${Deno.build.arch}; ` +
      "get one for this machine";
}

/**
 * Finds a program: a path as it is, a name in the directories of PATH, without a given one the usual
 * places first.
 *
 * @throws {Failure} "not found" or "not executable", with every place that was tried.
 */
export async function findProgram(
  name: string,
  given: string | null,
  usualPath: string,
  variable: string,
  world: World,
): Promise<string> {
  const wanted = given ?? name;
  const inPath = [...new Set(world.path.split(":"))].filter((directory) =>
    directory.startsWith("/")
  )
    .map((directory) => `${directory}/${wanted}`);
  const candidates = wanted.includes("/")
    ? [wanted]
    : given === null
    ? [usualPath, ...inPath]
    : inPath;
  let unusable: { path: string; fault: string } | undefined;
  for (const candidate of candidates) {
    const facts = await world.files.stat(candidate).catch(() => null);
    if (facts === null) continue;
    const fault = facts.kind === "file" && facts.executable
      ? await formatFault(candidate, world)
      : "it is not an executable file; chmod +x it";
    if (fault === undefined) return candidate;
    unusable ??= { path: candidate, fault };
  }
  if (unusable !== undefined) {
    throw new Failure(
      "not executable",
      `Cannot run ${name} "${unusable.path}": ${unusable.fault}, or set ${variable}`,
    );
  }
  const tried = candidates.map((path) => `"${path}"`).join(", ");
  throw new Failure(
    "not found",
    `Cannot find ${name}: ${
      tried === "" ? `no PATH to look up "${wanted}" in` : `tried ${tried}`
    }; ` +
      `install it, or set ${variable} to its path`,
  );
}

/** rest-server, found. */
export function findServer(given: string | null, world: World): Promise<string> {
  return findProgram("rest-server", given, "/user/rest-server", "MNT_SERVER", world);
}

/** blkid, found; a missing one is a fault of the configuration. */
export async function findBlkid(given: string | null, world: World): Promise<string> {
  try {
    return await findProgram("blkid", given, "/usr/local/bin/blkid", "MNT_BLKID", world);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      "configuration",
      `${error.message}, or name the disk by its path and set MNT_FSTYPE`,
      { cause: error },
    );
  }
}
