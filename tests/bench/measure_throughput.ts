/**
 * A restic backup and restore of 512 MB, through this program and through the bare rest-server.
 *
 * @module
 */
import {
  type Command,
  ownCommand,
  runTool,
  type Setting,
  startCommands,
  withListening,
} from "./measure_start.ts";

const FILES = 8;
const FILE_BYTES = 64 * 2 ** 20;

/** Random bytes: what cannot be compressed or deduplicated has to be carried. */
async function makeData(directory: string): Promise<void> {
  await Deno.mkdir(directory);
  for (let i = 0; i < FILES; i++) {
    using file = await Deno.open(`${directory}/${i}`, { write: true, createNew: true });
    for (let written = 0; written < FILE_BYTES; written += 65536) {
      await file.write(crypto.getRandomValues(new Uint8Array(65536)));
    }
  }
}

async function restic(setting: Setting, url: string, ...args: string[]): Promise<number> {
  const beginMs = performance.now();
  await runTool(
    "/usr/bin/env",
    "RESTIC_PASSWORD=bench",
    setting.restic,
    "--quiet",
    "--no-cache",
    "-r",
    url,
    ...args,
  );
  return performance.now() - beginMs;
}

interface Flow {
  readonly backup: { own: number[]; bare: number[] };
  readonly restore: { own: number[]; bare: number[] };
}

/** Milliseconds of each, interleaved; every round has a repository of its own. */
export async function measureThroughput(setting: Setting, rounds: number): Promise<Flow> {
  const data = `${setting.directory}/data`;
  await makeData(data);
  const flow: Flow = { backup: { own: [], bare: [] }, restore: { own: [], bare: [] } };
  const bare = startCommands(setting).get("bare")!;
  for (let round = 0; round < rounds; round++) {
    const pair: ["own" | "bare", Command][] = [["bare", bare], ["own", ownCommand(setting)]];
    // Who goes first changes: a disk that fills up is slower for the second one.
    for (const [name, command] of round % 2 === 0 ? pair : pair.toReversed()) {
      const restored = `${setting.directory}/restored`;
      const { backupMs, restoreMs } = await withListening(setting, command, async ({ url }) => {
        const repository = `${url}bench`;
        await restic(setting, repository, "init");
        const backupMs = await restic(setting, repository, "backup", data);
        const restoreMs = await restic(
          setting,
          repository,
          "restore",
          "latest",
          "--target",
          restored,
        );
        await Deno.remove(`${setting.target}/restic/bench`, { recursive: true });
        return { backupMs, restoreMs };
      });
      flow.backup[name].push(backupMs);
      flow.restore[name].push(restoreMs);
      await Deno.remove(restored, { recursive: true });
    }
  }
  return flow;
}
