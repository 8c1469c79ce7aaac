/**
 * What rest-server left behind when it ended: where it is a script that does not end with `exec`, a signal ends
 * the shell alone, and the real rest-server goes on.
 *
 * @module
 */
import { announced } from "./announce.ts";
import { errnoName } from "./linux.ts";
import { type FileHolder, findHoldersOf, hasOpen, markProcess } from "./processes.ts";
import type { World } from "./world.ts";

const LOOK_EVERY_MS = 20;
/** What ends with rest-server can be a moment behind it. */
const GRACE_MS = 500;

/** Whether a program is run by another one; rest-server itself starts no process. */
async function isScript(program: string, { files }: World): Promise<boolean> {
  const begin = await files.readAt(program, 0, 2).catch(() => new Uint8Array());
  return new TextDecoder().decode(begin) === "#!";
}

/**
 * Ends them, and waits for their end. They are known by the lock of the target, which nobody else has.
 *
 * @param program what was run as rest-server.
 * @param lockFile by its path.
 */
export async function endSurvivors(
  program: string,
  lockFile: string,
  world: World,
): Promise<void> {
  // To look through all processes takes milliseconds that a stop need not wait.
  if (!await isScript(program, world)) return;
  const lockPath = await world.files.realPath(lockFile).catch(() => lockFile);
  const find = () => findHoldersOf(lockPath, "group", world);
  const giveUpMs = world.clock.now() + GRACE_MS;
  let survivors = await find();
  while (survivors.length > 0 && world.clock.now() < giveUpMs) {
    await world.clock.sleep(LOOK_EVERY_MS);
    survivors = await find();
  }
  for (const survivor of survivors) await endSurvivor(survivor, lockPath, world);
}

async function endSurvivor({ pid, name }: FileHolder, lockPath: string, world: World) {
  const { processes, log } = world;
  const opened = processes.open(pid);
  if ("errno" in opened) return;
  // Looked at again: from here on nobody else can come to have this pid unseen.
  const errno = await hasOpen(pid, lockPath, world) ? processes.kill(opened.fd) : 0;
  processes.close(opened.fd);
  const text = `rest-server has left process ${pid} ("${name}") behind`;
  if (errno !== 0) {
    log.error(`${text}, and it cannot be ended: ${errnoName(errno)}`, {
      event: "survivor",
      pid,
    });
    return;
  }
  log.warn(`${text}: ended it; where MNT_SERVER is a script, let it end with exec`, {
    event: "survivor",
    pid,
  });
  await announced(`the end of process ${pid}`, gone(pid, world), world);
}

async function gone(pid: number, world: World): Promise<void> {
  while (await markProcess(pid, world) !== undefined) await world.clock.sleep(LOOK_EVERY_MS);
}
