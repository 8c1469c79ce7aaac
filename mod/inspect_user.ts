/**
 * What `check` asks for the user of `MNT_USER`: whether the kernel would let it at the files.
 *
 * @module
 */
import type { Config } from "./config.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { resolveNearest } from "./paths.ts";
import type { FileFacts, World } from "./world.ts";

const { error } = findingsOf("sandbox");

type User = NonNullable<Config["user"]>;

/** Whether the mode bits of inode(7) give a user all that is wanted (4 read, 2 write, 1 execute or enter). */
export function mayAccess(owner: FileFacts["owner"], { uid, gid }: User, wanted: number): boolean {
  if (owner === undefined || uid === 0) return true;
  const bits = owner.uid === uid
    ? owner.mode >> 6
    : owner.gid === gid
    ? owner.mode >> 3
    : owner.mode;
  return (bits & wanted) === wanted;
}

const READ = 4;
const USE = 7;

/** The first part of a path that stops the user, from the root on. */
async function obstacle(
  path: string,
  user: User,
  wanted: number,
  world: World,
): Promise<string | undefined> {
  const parents = [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index) || "/");
  for (const parent of parents) {
    const owner = (await world.files.stat(parent).catch(() => null))?.owner;
    if (!mayAccess(owner, user, 1)) return parent;
  }
  const owner = (await world.files.stat(path).catch(() => null))?.owner;
  return mayAccess(owner, user, wanted) ? undefined : path;
}

/**
 * Looks whether the user may write to `--path`, and read the files.
 *
 * @param path `--path`, where the disk is mounted; `null` where it is not.
 * @param files that rest-server reads.
 */
export async function inspectAccess(
  user: User,
  path: string | null,
  files: readonly string[],
  world: World,
): Promise<Finding[]> {
  const who = `MNT_USER=${user.uid}:${user.gid}`;
  const findings: Finding[] = [];
  const existing = path === null
    ? null
    : (await resolveNearest(path, world.files).catch(() => null))?.existing ?? null;
  const stop = existing === null ? undefined : await obstacle(existing, user, USE, world);
  if (stop !== undefined) {
    const text = `${who} cannot ${stop === existing ? "write to" : "enter"} "${stop}"`;
    const cure = stop === existing
      ? `give it that owner with: chown -R ${user.uid}:${user.gid} "${stop}"`
      : `let it be entered with: chmod a+x "${stop}"`;
    findings.push(error("user", text, cure));
  }
  for (const file of files) {
    const stop = await obstacle(file, user, READ, world);
    if (stop === undefined) continue;
    const text = `${who} cannot ${stop === file ? "read" : "enter"} "${stop}"`;
    findings.push(
      error("user", text, `chgrp ${user.gid} and chmod g+r it, and let the directories be entered`),
    );
  }
  return findings;
}
