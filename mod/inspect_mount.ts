/**
 * What `check` asks of the mount: what mount(2) would be given, and whether it is permitted.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { messageOf } from "./exit.ts";
import { parseRights } from "./explain.ts";
import { type Finding, findingsOf, type ShownMount } from "./findings.ts";
import { type FoundSource, foundSource } from "./found.ts";
import { inspectTarget } from "./inspect_target.ts";
import { formatFlags } from "./mount_options.ts";
import { mountSpec } from "./mount_spec.ts";
import { quote } from "./origins.ts";
import { readTextIfAny, resolveNearest } from "./paths.ts";
import { maskSecrets } from "./secrets.ts";
import type { MountSpec } from "./source.ts";
import type { World } from "./world.ts";

const { note, error } = findingsOf("mount");

/** What the mount says. */
export interface MountReport {
  readonly findings: readonly Finding[];
  readonly mount: ShownMount;
  /** The target without symlinks. */
  readonly target: string;
  /** A directory that shows what the target will show; `null` where the disk is not mounted. */
  readonly view: string | null;
}

/**
 * What mount(2) would be given, as a command line of mount(8).
 *
 * @param fstype `null` where blkid will say it once the disk is there.
 */
function shownMount(spec: MountSpec, fstype: string | null): ShownMount {
  const { source, target } = spec;
  const options = [formatFlags(spec.flags), maskSecrets(spec.data)].filter((part) => part !== "")
    .join(",");
  const type = fstype === null ? [] : ["-t", fstype];
  const command = ["mount", ...type, "-o", options, source, target].map(quote).join(" ");
  return { source, target, fstype, options, command };
}

/** Whether mount(2) is permitted, by what proc(5) says of this process. */
async function inspectRights(found: FoundSource | null, world: World): Promise<Finding[]> {
  const read = async (name: string) => await readTextIfAny(`/proc/self/${name}`, world.files) ?? "";
  const { capable, userNamespace } = parseRights(await read("status"), await read("uid_map"));
  const disk = (found?.majorMinors.length ?? 0) > 0;
  if (capable && !(userNamespace && disk)) return [];
  const because = capable
    ? "a user namespace, as of a rootless container, may mount no disk"
    : world.root
    ? "root here has no CAP_SYS_ADMIN"
    : "only root can mount";
  const cure = world.root && !capable
    ? "give the container or service CAP_SYS_ADMIN"
    : "run it as root of the machine, or let root mount the disk and leave MNT_SOURCE unset";
  return [error("rights", because, cure)];
}

/** Asks about everything that mount(2) needs; mounts nothing and makes no directory. */
export async function inspectMount(
  mount: MountConfig,
  found: FoundSource | null,
  world: World,
): Promise<MountReport> {
  let target = mount.target;
  let existing: string | null = null;
  let fault: unknown;
  try {
    ({ real: target, existing } = await resolveNearest(mount.target, world.files));
  } catch (cause) {
    fault = cause;
  }
  // A source that is not there, as mount(8) takes it: it knows tags, and finds the type by itself.
  const absent = foundSource(mount.source.text, mount.fstype ?? "");
  const spec = mountSpec(mount, target, found ?? absent);
  const shown = shownMount(spec, found?.fstype ?? mount.fstype);
  const findings = [note("command", shown.command), ...await inspectRights(found, world)];
  if (target !== mount.target) {
    findings.push(note("target", `"${mount.target}" leads over a symlink to "${target}"`));
  }
  try {
    if (existing === null) throw fault;
    const { findings: more, view } = await inspectTarget(mount, found, spec, existing, world);
    return { findings: [...findings, ...more], mount: shown, target, view };
  } catch (cause) {
    const text = `Cannot use MNT_TARGET="${mount.target}": ${messageOf(cause)}`;
    findings.push(error("target", text, "check its symlinks, or set another directory"));
    return { findings, mount: shown, target, view: null };
  }
}
