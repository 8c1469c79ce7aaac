/**
 * What `check` asks of disks: which device the source means, and whether it can be mounted.
 *
 * @module
 */
import { askBlkid, type Blkid, needsBlkid } from "./ask_blkid.ts";
import type { BlockDevice } from "./blkid.ts";
import type { Config, MountConfig } from "./config.ts";
import { Failure, messageOf } from "./exit.ts";
import { findBlkid } from "./find_program.ts";
import { type Finding, findingsOf, type ShownDevice } from "./findings.ts";
import type { FoundSource } from "./found.ts";
import { describeDevice, explainAbsence, listDevices, shownDevices } from "./inspect_devices.ts";
import { compareTypes, inspectKernel } from "./inspect_kernel.ts";
import { unmountable } from "./layers.ts";
import { lookOnce } from "./look.ts";
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

const { ok, note, warning, error, missing, failure } = findingsOf("disk");

/** What the disks say. */
export interface DiskReport {
  readonly findings: readonly Finding[];
  readonly devices: readonly ShownDevice[];
  /** What would be mounted; `null` where it cannot be now. */
  readonly found: FoundSource | null;
}

/** Who else uses a device: a RAID or a volume on it, or swapping. */
async function usersOf(found: FoundSource, world: World): Promise<string[]> {
  const { files } = world;
  const holders = await Promise.all(
    found.majorMinors.map((number) =>
      files.list(`/sys/dev/block/${number}/holders`).catch((): string[] => [])
    ),
  );
  const swaps = (await readTextIfAny("/proc/swaps", files) ?? "").split("\n").slice(1)
    .map((line) => line.split(/\s/, 1)[0]!);
  return [
    ...holders.flat(),
    ...swaps.includes(found.source) ? ["swap"] : [],
  ];
}

async function describeFound(
  { source }: MountConfig,
  found: FoundSource,
  devices: readonly ShownDevice[],
  world: World,
): Promise<Finding[]> {
  if (source.kind === "other") {
    return [note("source", `${source.text} is no device: ${found.fstype} takes it as it is`)];
  }
  const paths = [found.source, ...found.otherMembers];
  const there = devices.filter(({ path, match }) => match === "yes" || paths.includes(path));
  const unseen = { path: found.source, tags: { TYPE: found.fstype } };
  const names = (there.length > 0 ? there : [unseen]).map(describeDevice);
  const users = await usersOf(found, world);
  return [
    ok("source", `${source.text} is ${names.join(", ")}`),
    ...found.warnings.map((text) => warning("source", text)),
    ...users.length === 0 ? [] : [error(
      "source",
      `"${found.source}" is in use by ${users.join(", ")}: the kernel would say EBUSY`,
      "set MNT_SOURCE to what is made of it, or take that apart",
    )],
  ];
}

async function inspectSource(
  mount: MountConfig,
  blkid: Blkid,
  devices: readonly ShownDevice[],
  world: World,
  signal: AbortSignal,
): Promise<Pick<DiskReport, "findings" | "found">> {
  const there = devices.filter(({ match }) => match === "yes");
  for (const device of there) {
    const layer = unmountable(device.tags["TYPE"], device.path);
    if (layer === undefined) continue;
    const text = `${mount.source.text} is ${describeDevice(device)}: ${layer.because}`;
    return { findings: [error("source", text, layer.hint)], found: null };
  }
  try {
    const look = await lookOnce(mount, blkid, world, signal);
    const found = look.kind === "found" ? look.found : look.soft ?? null;
    const findings = look.kind === "waiting" && found === null
      ? explainAbsence(mount, look.why, devices, world.root)
      : await describeFound(mount, found!, devices, world);
    return { findings, found };
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    return { findings: [failure("source", cause)], found: null };
  }
}

/** blkid, and what it sees; `null` in place of the devices where it could not be asked. */
async function inspectBlkid(
  given: string | null,
  needed: boolean,
  world: World,
  signal: AbortSignal,
): Promise<{ findings: Finding[]; blkid: Blkid; seen: BlockDevice[] | null }> {
  const findings: Finding[] = [];
  let blkid: Blkid = { program: "" };
  try {
    blkid = { program: await findBlkid(given, world) };
    findings.push(ok("blkid", `blkid is "${blkid.program}"`));
    const seen = await askBlkid(blkid, undefined, world, signal);
    if (seen.length === 0) findings.push(note("device", "blkid sees no devices at all"));
    return { findings, blkid, seen };
  } catch (cause) {
    signal.throwIfAborted();
    // Where it ran, and failed or hung, the disks may be at fault, and the next time it can go well.
    const told = cause instanceof Failure
      ? failure("blkid", cause)
      : missing("blkid", messageOf(cause), "see the kernel log, and check the health of the disks");
    findings.push(needed ? told : note("blkid", told.text));
    return { findings, blkid, seen: null };
  }
}

/** Asks blkid and the kernel; nothing is mounted. */
export async function inspectDisk(
  { mount, blkid: given }: Config,
  world: World,
  signal: AbortSignal,
): Promise<DiskReport> {
  const needed = mount !== null && needsBlkid(mount);
  const { findings, blkid, seen } = await inspectBlkid(given, needed, world, signal);
  const devices = await shownDevices(mount?.source, seen ?? [], world);
  if (needed && seen === null) return { findings, devices, found: null };
  const { findings: more, found } = mount === null
    ? { findings: [], found: null }
    : await inspectSource(mount, blkid, devices, world, signal);
  findings.push(...more);
  if (found === null) findings.push(...listDevices(devices));
  const fstype = found?.fstype ?? mount?.fstype ?? undefined;
  if (fstype === undefined) return { findings, devices, found };
  const blkidType = devices.find(({ match }) => match === "yes")?.tags["TYPE"];
  findings.push(await inspectKernel(fstype, world), ...compareTypes(fstype, blkidType));
  return { findings, devices, found };
}
