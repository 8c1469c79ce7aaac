/**
 * Whether the disk under a serving rest-server is still there: what can be asked without writing to it and
 * without waking it.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import { readMounts } from "./existing.ts";
import type { Mounted } from "./mount.ts";
import {
  isBelow,
  isUnmoved,
  mountHolding,
  type MountInfo,
  type MountPlace,
  placeOf,
} from "./mountinfo.ts";
import { countErrors, judgeDevices } from "./probe_devices.ts";
import { readAnything } from "./probe_read.ts";
import type { World } from "./world.ts";

/** What one probe found. */
export interface ProbeResult {
  /** Why nothing can be served from it any more; `null` where it can. */
  readonly lost: string | null;
  /** What the administrator should know, though serving goes on; each line is said once. */
  readonly troubles: readonly string[];
}

/** A super block option that says that the file system is dead for good: ext4 6.12, xfs, btrfs. */
const DEAD = "shutdown";
/** Of a file system that gave up writing after an error; older kernels turn `rw` into `ro` instead. */
const READ_ONLY = ["emergency_ro", "ro"];

const isReadOnly = ({ mountOptions }: MountInfo) => mountOptions.includes("ro");

/** What the options of a mount say, `before` being those it was mounted with. */
export function judgeOptions(now: MountInfo, before: MountInfo): ProbeResult {
  if (now.superOptions.includes(DEAD)) {
    return { lost: `its file system was shut down after an error (${DEAD})`, troubles: [] };
  }
  const turned = READ_ONLY.find((option) =>
    now.superOptions.includes(option) && !before.superOptions.includes(option)
  );
  if (turned === undefined) {
    const text = `"${now.mountPoint}" was remounted read-only: restores go on, backups fail; ` +
      "find out who did, and remount it with rw";
    return { lost: null, troubles: isReadOnly(now) && !isReadOnly(before) ? [text] : [] };
  }
  return {
    lost: null,
    troubles: [
      `the file system has turned read-only after an error (${turned}): restores go on, backups fail; ` +
      `see the kernel log, stop this program and run fsck on "${now.mountSource}"`,
    ],
  };
}

/** Why a mount that is no longer on its target serves nothing. */
function describeLoss(
  place: Exclude<MountPlace, { kind: "on its target" }>,
  { mountPoint }: MountInfo,
): string {
  if (place.kind === "gone") return "somebody else unmounted it";
  if (place.kind === "moved") return `somebody moved its mount to "${place.to}"`;
  return place.by?.mountPoint === mountPoint
    ? `"${place.by.mountSource}" (${place.by.fsType}) was mounted over it`
    : "a mount above it hides it";
}

/** What was mounted over the directory that is served, or over one above it on the disk. */
function describeCover(holder: MountInfo | undefined): string {
  const { mountSource, fsType, mountPoint } = holder!;
  return `"${mountSource}" (${fsType}) was mounted on "${mountPoint}", over what is served: ` +
    "what is written there is not on the disk";
}

/** Mounts below the directory that is served: somebody may want them, and should know. */
function judgeSubmounts(path: string, { mountId }: MountInfo, mounts: readonly MountInfo[]) {
  const below = mounts.filter(({ parentId, mountPoint }) =>
    parentId === mountId && mountPoint !== path && isBelow(mountPoint, path)
  );
  return below.map(({ mountSource, fsType, mountPoint }) =>
    `"${mountSource}" (${fsType}) is mounted on "${mountPoint}": backups below it are not on this disk`
  );
}

/**
 * One probe. It ends only when the file system answers.
 *
 * @param mount its `path` without symlinks.
 */
export async function probe(
  mount: MountConfig,
  mounted: Mounted,
  world: World,
): Promise<ProbeResult> {
  const { info } = mounted;
  const lost = (why: string): ProbeResult => ({ lost: why, troubles: [] });
  const mounts = await readMounts(world);
  // One walk tells that all is well: whatever covers the target covers what is served from it.
  const holder = mountHolding(mounts, mount.path);
  if (!isUnmoved(holder, info)) {
    const place = placeOf(info, mounts);
    return lost(
      place.kind === "on its target" ? describeCover(holder) : describeLoss(place, info),
    );
  }
  // First: a kernel shuts the file system down when its disk is pulled, and the cable is to blame then.
  const devices = await judgeDevices(mounted, mount, world);
  if (devices.lost !== null) return devices;
  const options = judgeOptions(holder, info);
  if (options.lost !== null) return options;
  const read = await readAnything(mount, mounted, world);
  if (read.lost !== null) return read;
  const troubles = [
    ...options.troubles,
    ...devices.troubles,
    ...read.troubles,
    ...judgeSubmounts(mount.path, info, mounts),
    ...await countErrors(mounted, world),
  ];
  return { lost: null, troubles };
}
