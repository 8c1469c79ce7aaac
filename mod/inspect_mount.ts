/**
 * What `check` asks of the mount: what mount(2) would be given, and whether the target is free for it.
 *
 * @module
 */
import type { Config, MountConfig } from "./config.ts";
import { compareFlags, isOfSource, readMounts, refuseForeign } from "./existing.ts";
import { Failure, messageOf } from "./exit.ts";
import { type Finding, findingsOf, type ShownMount } from "./findings.ts";
import { MS_RDONLY } from "./linux.ts";
import type { FoundSource } from "./look.ts";
import { mountSpec, requireOnMount } from "./mount.ts";
import { formatFlags } from "./mount_options.ts";
import { isBelow, mountAt, mountHolding, type MountInfo } from "./mountinfo.ts";
import { resolveNearest } from "./paths.ts";
import { maskSecrets } from "./secrets.ts";
import type { MountSpec } from "./source.ts";
import type { World } from "./world.ts";

const { ok, note, warning, error, failure } = findingsOf("mount");

/** What mount and target say. */
export interface MountReport {
  readonly findings: readonly Finding[];
  readonly mount: ShownMount | null;
  /** The target without symlinks. */
  readonly target: string;
  /** A directory that shows what the target will show, where the disk is mounted already. */
  readonly view: string | null;
}

/** A word as a shell takes it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What mount(2) would be given, as a command line of mount(8). */
export function shownMount(spec: MountSpec, fstype: string | null): ShownMount {
  const { source, target } = spec;
  const options = [formatFlags(spec.flags), maskSecrets(spec.data)].filter((part) => part !== "")
    .join(",");
  const type = fstype === null ? [] : ["-t", fstype];
  const command = ["mount", ...type, "-o", options, source, target].map(quote).join(" ");
  return { source, target, fstype, options, command };
}

function sameWriting(mount: MountInfo, flags: number): boolean {
  return mount.superOptions.includes("ro") === ((flags & MS_RDONLY) !== 0);
}

/** The target, where the right disk or another one is mounted on it. */
async function inspectMounted(
  there: MountInfo,
  spec: MountSpec,
  found: FoundSource | null,
  world: World,
): Promise<Finding> {
  const what = `"${there.mountSource}" (${there.fsType})`;
  if (found === null) {
    const text = `${what} is mounted on "${spec.target}", and the disk that should be is not there`;
    return error("target", text, "unmount it, or set another MNT_TARGET");
  }
  try {
    await refuseForeign(there, spec, found, world);
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return failure("target", cause);
  }
  const { actual, wanted } = compareFlags(there, spec);
  const change = actual === wanted
    ? ""
    : `, and its options changed from ${formatFlags(actual)} to ${formatFlags(wanted)}`;
  return ok(
    "target",
    `${what} is mounted on "${spec.target}" already: it would be taken over${change}`,
  );
}

/** The target, where nothing is mounted on it. */
async function inspectFree(
  target: string,
  existing: string,
  mounts: readonly MountInfo[],
  world: World,
): Promise<Finding[]> {
  const holder = mountHolding(mounts, existing);
  const on =
    `on the mount of "${holder?.mountSource}" (${holder?.fsType}) on "${holder?.mountPoint}"`;
  const below = mounts.filter(({ mountPoint }) =>
    mountPoint !== target && isBelow(mountPoint, target)
  );
  const findings = below.map(({ mountPoint }) =>
    warning("target", `"${mountPoint}" is a mount below the target, which would hide it`, null)
  );
  const kind = (await world.files.stat(existing))?.kind;
  if (kind !== "directory") {
    return [error("target", `"${existing}" is not a directory`, "set MNT_TARGET to another path")];
  }
  if (existing !== target) {
    const readOnly = [...holder?.mountOptions ?? [], ...holder?.superOptions ?? []].includes("ro");
    const text = `"${target}" is not there, and would be made ${on}`;
    return readOnly
      ? [error(
        "target",
        `${text}, which is read-only`,
        "set MNT_TARGET to a directory on a writable file system",
      )]
      : [ok("target", text), ...findings];
  }
  const names = await world.files.list(target).catch(() => []);
  if (names.length > 0 && below.length === 0) {
    findings.push(warning(
      "target",
      `"${target}" is not empty (${
        names.slice(0, 5).join(", ")
      }): the mount would hide what is in it`,
      "look whether backups were written there while the disk was not mounted, and move them away",
    ));
  }
  return [ok("target", `"${target}" is a directory ${on}; nothing is mounted on it`), ...findings];
}

/** Mounts of the source on other places. */
async function inspectElsewhere(
  target: string,
  flags: number,
  found: FoundSource,
  mounts: readonly MountInfo[],
  world: World,
): Promise<{ findings: Finding[]; view: string | null }> {
  const findings: Finding[] = [];
  let view: string | null = null;
  for (const mount of mounts) {
    if (mount.mountPoint === target || !await isOfSource(mount, found, world)) continue;
    if (mountAt(mounts, mount.mountPoint) === mount && mount.root === "/") {
      view ??= mount.mountPoint;
    }
    const text = `"${found.source}" is mounted on "${mount.mountPoint}", too`;
    const cure = `unmount it there, or set MNT_TARGET=${mount.mountPoint}`;
    findings.push(
      sameWriting(mount, flags)
        ? warning("source", `${text}: others can change it there`, cure)
        : error(
          "source",
          `${text}, and one of both is read-only: the kernel would say EBUSY`,
          cure,
        ),
    );
  }
  return { findings, view };
}

async function inspectTarget(
  mount: MountConfig,
  found: FoundSource | null,
  spec: MountSpec,
  existing: string,
  world: World,
): Promise<Pick<MountReport, "findings" | "view">> {
  const { target } = spec;
  const mounts = await readMounts(world);
  const findings: Finding[] = [];
  const there = mountAt(mounts, target);
  const elsewhere = found === null
    ? { findings: [], view: null }
    : await inspectElsewhere(target, spec.flags, found, mounts, world);
  if (there === undefined) findings.push(...await inspectFree(target, existing, mounts, world));
  else findings.push(await inspectMounted(there, spec, found, world));
  findings.push(...elsewhere.findings);
  const taken = there !== undefined && found !== null && findings[0]!.level === "ok";
  if (mount.path === "" || !isBelow(mount.path, mount.target)) {
    return { findings, view: taken ? target : elsewhere.view };
  }
  if (!taken) {
    const text =
      `"${mount.path}" lies below the target; symlinks on the disk are looked at once it is mounted`;
    return { findings: [...findings, ok("--path", text)], view: elsewhere.view };
  }
  try {
    await requireOnMount(mount.path, { info: there, found }, world);
    findings.push(ok("--path", `"${mount.path}" lies on the disk`));
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    findings.push(failure("--path", cause));
  }
  return { findings, view: target };
}

/** Asks about everything that mount(2) needs; mounts nothing and makes no directory. */
export async function inspectMount(
  { mount }: Config & { readonly mount: MountConfig },
  found: FoundSource | null,
  capable: boolean,
  world: World,
): Promise<MountReport> {
  const findings: Finding[] = [];
  let target = mount.target;
  let existing: string | undefined;
  try {
    const nearest = await resolveNearest(mount.target, world.files);
    target = nearest.real;
    existing = nearest.existing;
  } catch (cause) {
    const text = `Cannot use MNT_TARGET="${mount.target}": ${messageOf(cause)}`;
    findings.push(error("target", text, "set it to another directory"));
  }
  // mount(8) knows tags, and finds the type by itself.
  const absent: FoundSource = {
    ...{ source: mount.source.text, fstype: mount.fstype ?? "", majorMinors: [] },
    ...{ otherMembers: [], blkidType: undefined, fsid: undefined, warnings: [] },
  };
  const spec = mountSpec(mount, target, found ?? absent);
  const shown = shownMount(spec, found?.fstype ?? mount.fstype);
  findings.push(note("command", shown.command));
  if (target !== mount.target) {
    findings.push(note("target", `"${mount.target}" leads over a symlink to "${target}"`));
  }
  if (!capable) {
    findings.push(error(
      "rights",
      world.root ? "root here has no CAP_SYS_ADMIN" : "only root can mount",
      world.root
        ? "give the container or service CAP_SYS_ADMIN"
        : "run it as root, or let root mount the disk and leave MNT_SOURCE unset",
    ));
  }
  if (existing === undefined) return { findings, mount: shown, target, view: null };
  try {
    const { findings: more, view } = await inspectTarget(mount, found, spec, existing, world);
    return { findings: [...findings, ...more], mount: shown, target, view };
  } catch (cause) {
    findings.push(error("target", `Cannot look at "${target}": ${messageOf(cause)}`));
    return { findings, mount: shown, target, view: null };
  }
}
