/**
 * What mount(2) is given.
 *
 * @module
 */
import type { MountConfig } from "./config.ts";
import type { FoundSource } from "./found.ts";
import { splitOptions } from "./mount_options.ts";
import type { MountSpec } from "./source.ts";

/** File systems that keep no owners: the mount gives them. */
const WITHOUT_OWNERS: readonly string[] = ["vfat", "exfat"];

/** The data that makes a file system without owners belong to the user of `MNT_USER`, less what is given. */
export function ownerData(fstype: string, user: MountConfig["user"], given: string): string[] {
  if (user === null || !WITHOUT_OWNERS.includes(fstype)) return [];
  const names = splitOptions(given).map((part) => part.split("=")[0]);
  const has = (...any: string[]) => any.some((name) => names.includes(name));
  return [
    ...has("uid") ? [] : [`uid=${user.uid}`],
    ...has("gid") ? [] : [`gid=${user.gid}`],
    ...has("umask", "dmask", "fmask") ? [] : ["umask=0077"],
  ];
}

/** What mount(2) is given for a source that was found. */
export function mountSpec(mount: MountConfig, target: string, found: FoundSource): MountSpec {
  const owner = ownerData(found.fstype, mount.user, mount.data);
  const members = found.otherMembers.map((path) => `device=${path}`);
  return {
    source: found.source,
    target,
    fstype: found.fstype,
    flags: mount.flags,
    data: [mount.data, ...owner, ...members].filter((part) => part !== "").join(","),
  };
}
