/**
 * What `check` asks of the target: whether it is free for the disk, or has it already.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { compareFlags, isOfSource, readMounts, refuseForeign } from "./existing.ts";
import { Failure } from "./exit.ts";
import { type Finding, findingsOf } from "./findings.ts";
import type { FoundSource } from "./found.ts";
import { findHolders } from "./holders.ts";
import { MS_RDONLY } from "./linux.ts";
import { requireOnMount } from "./mount.ts";
import { formatFlags } from "./mount_options.ts";
import { isBelow, mountAt, mountHolding, type MountInfo } from "./mountinfo.ts";
import type { MountSpec } from "./source.ts";
import type { World } from "./world.ts";

const { ok, warning, error, failure } = findingsOf("mount");

/** What the target says. */
export interface TargetReport {
  readonly findings: readonly Finding[];
  /** A directory that shows what the target will show; `null` where the disk is not mounted. */
  readonly view: string | null;
}

/** The target, where something is mounted on it. */
async function inspectMounted(
  there: MountInfo,
  spec: MountSpec,
  found: FoundSource | null,
  world: World,
): Promise<Finding> {
  const what = `"${there.mountSource}" (${there.fsType}) is mounted on "${spec.target}"`;
  try {
    if (found === null) {
      throw new Failure(
        "mount",
        `${what}, and the disk that should be is not there; unmount it, or set another MNT_TARGET`,
      );
    }
    await refuseForeign(there, spec, found, world);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    const told = failure("target", cause);
    const holders = await findHolders(spec.target, world);
    return holders.length === 0
      ? told
      : { ...told, cure: `${told.cure}; it is held by ${holders.join(", ")}` };
  }
  const { actual, wanted } = compareFlags(there, spec);
  const change = actual === wanted
    ? ""
    : `, and its options changed from ${formatFlags(actual)} to ${formatFlags(wanted)}`;
  return ok("target", `${what} already: it would be taken over${change}`);
}

/** A target that is not there yet. */
function inspectMissing(target: string, holder: MountInfo | undefined, on: string): Finding {
  const options = [...holder?.mountOptions ?? [], ...holder?.superOptions ?? []];
  const text = `"${target}" is not there, and would be made ${on}`;
  return options.includes("ro")
    ? error(
      "target",
      `${text}, which is read-only`,
      "set MNT_TARGET to a directory on a writable file system",
    )
    : ok("target", text);
}

/** The target, where nothing is mounted on it. */
async function inspectFree(
  target: string,
  existing: string,
  mounts: readonly MountInfo[],
  world: World,
): Promise<Finding[]> {
  const { files } = world;
  const holder = mountHolding(mounts, existing);
  const on =
    `on the mount of "${holder?.mountSource}" (${holder?.fsType}) on "${holder?.mountPoint}"`;
  if ((await files.stat(existing))?.kind !== "directory") {
    return [error("target", `"${existing}" is not a directory`, "set MNT_TARGET to another path")];
  }
  if (existing !== target) return [inspectMissing(target, holder, on)];
  const free = ok("target", `"${target}" is a directory ${on}; nothing is mounted on it`);
  const below = mounts.filter(({ mountPoint }) => isBelow(mountPoint, target));
  if (below.length > 0) {
    return [
      free,
      ...below.map(({ mountPoint }) =>
        warning(
          "target",
          `"${mountPoint}" is a mount below the target, which would hide it`,
          "unmount it, or set another MNT_TARGET",
        )
      ),
    ];
  }
  const names = await files.list(target).catch((): string[] => []);
  if (names.length === 0) return [free];
  const some = names.slice(0, 5).join(", ");
  return [
    free,
    warning(
      "target",
      `"${target}" is not empty (${some}): the mount would hide what is in it`,
      "check whether backups were written there while no disk was mounted, and move them away",
    ),
  ];
}

/** Mounts of the source on other places. */
async function inspectElsewhere(
  { target, flags }: MountSpec,
  found: FoundSource,
  mounts: readonly MountInfo[],
  world: World,
): Promise<TargetReport> {
  const findings: Finding[] = [];
  let view: string | null = null;
  const readOnly = (flags & MS_RDONLY) !== 0;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    if (mountPoint === target || !await isOfSource(mount, found, world)) continue;
    if (mountAt(mounts, mountPoint) === mount && mount.root === "/") view ??= mountPoint;
    const text = `"${found.source}" is mounted on "${mountPoint}", too`;
    const cure = `unmount it there, or set MNT_TARGET=${mountPoint}`;
    findings.push(
      mount.superOptions.includes("ro") === readOnly
        ? warning("source", `${text}: others can change it there`, cure)
        : error("source", `${text}, and one of both is read-only: EBUSY for the kernel`, cure),
    );
  }
  return { findings, view };
}

/** `--path`, where the disk is on the target already. */
async function inspectPath(
  path: string,
  there: MountInfo,
  found: FoundSource,
  world: World,
): Promise<Finding> {
  try {
    await requireOnMount(path, { info: there, found }, world);
    return ok("--path", `"${path}" lies on the disk`);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return failure("--path", cause);
  }
}

/**
 * Looks at the target and what is mounted on it, above it, below it.
 *
 * @param existing the target's nearest existing parent, or itself.
 */
export async function inspectTarget(
  mount: MountConfig,
  found: FoundSource | null,
  spec: MountSpec,
  existing: string,
  world: World,
): Promise<TargetReport> {
  const mounts = await readMounts(world);
  const there = mountAt(mounts, spec.target);
  const elsewhere = found === null
    ? { findings: [], view: null }
    : await inspectElsewhere(spec, found, mounts, world);
  const own = there === undefined
    ? await inspectFree(spec.target, existing, mounts, world)
    : [await inspectMounted(there, spec, found, world)];
  const findings = [...own, ...elsewhere.findings];
  const mounted = there !== undefined && found !== null && own[0]!.level === "ok";
  const view = mounted ? spec.target : elsewhere.view;
  // What is wrong with it as text is said with the configuration.
  if (mount.path === "" || !isBelow(mount.path, mount.target)) return { findings, view };
  const text =
    `"${mount.path}" lies below the target; symlinks on the disk are looked at once it ` +
    "is mounted";
  const path = mounted ? await inspectPath(mount.path, there, found, world) : ok("--path", text);
  return { findings: [...findings, path], view };
}
