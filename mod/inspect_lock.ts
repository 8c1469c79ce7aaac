/**
 * What `check` asks of other runs: whether one holds the target, and who listens on an address.
 *
 * @module
 */
import { type Finding, findingsOf } from "./findings.ts";
import { lockName, type LockRecord, parseLockRecord } from "./lock.ts";
import { readTextIfAny } from "./paths.ts";
import { isAlive } from "./processes.ts";
import type { World } from "./world.ts";

const { ok, note, warning } = findingsOf("mount");

/** The run that holds a target, by its lock file. */
export interface OtherRun {
  readonly finding: Finding;
  readonly record: LockRecord | undefined;
}

/**
 * Looks for a run that holds the target; its lock is not tried, for a start in this moment would find it held.
 *
 * @param directories from `findRunDirectories`.
 */
export async function inspectLock(
  target: string,
  directories: readonly string[],
  world: World,
): Promise<OtherRun> {
  const name = await lockName(target);
  for (const directory of directories) {
    const record = parseLockRecord(await readTextIfAny(`${directory}/${name}`, world.files) ?? "");
    if (await isAlive(record?.wrapper, world)) {
      const text = `restic-rest-server, process ${record!.wrapper.pid}, holds "${target}"`;
      const cure =
        "this is as it should be where that is the service; a second one would end with 75";
      return { finding: warning("lock", text, cure), record };
    }
    if (await isAlive(record?.server, world)) {
      const text =
        `rest-server, process ${record!.server!.pid}, is left of a run that was killed; ` +
        "the next start ends it";
      return { finding: note("lock", text), record };
    }
  }
  return { finding: ok("lock", `no other run holds "${target}"`), record: undefined };
}

/** A process in words, `rest-server (process 42)`; `undefined` where it is not ours to see. */
export async function socketOwner(
  inode: string,
  { files }: World,
): Promise<{ readonly pid: number; readonly text: string } | undefined> {
  const pids = (await files.list("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    for (const fd of await files.list(`/proc/${pid}/fd`).catch(() => [])) {
      if (await files.readLink(`/proc/${pid}/fd/${fd}`).catch(() => "") !== `socket:[${inode}]`) {
        continue;
      }
      const name = (await readTextIfAny(`/proc/${pid}/comm`, files))?.trim() ?? "a program";
      return { pid: Number(pid), text: `${name} (process ${pid})` };
    }
  }
  return undefined;
}
