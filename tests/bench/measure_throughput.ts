/**
 * A restic backup and restore of 512 MB, through this program and through the bare rest-server.
 *
 * @module
 */
import { cpuTicks, TICKS_PER_SECOND } from "./measure_memory.ts";
import {
  type Command,
  ownCommand,
  runTool,
  type Setting,
  startCommands,
  withListening,
} from "./measure_start.ts";
import type { Rounds, ThroughputFigures } from "./results.ts";

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

const newRounds = (): Rounds => ({ bare: [], own: [], again: [] });

/** Interleaved; every round has a repository of its own. */
export async function measureThroughput(
  setting: Setting,
  rounds: number,
): Promise<ThroughputFigures> {
  const data = `${setting.directory}/data`;
  const restored = `${setting.directory}/restored`;
  await makeData(data);
  const flow: ThroughputFigures = {
    megabytes: FILES * FILE_BYTES / 2 ** 20,
    backup: newRounds(),
    restore: newRounds(),
    ownCpuMs: [],
  };
  const { bare } = startCommands(setting);
  const order: [keyof Rounds, Command][] = [
    ["bare", bare],
    ["own", ownCommand(setting)],
    ["again", bare],
  ];
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of order) {
      await withListening(setting, command, async ({ url, child }) => {
        const repository = `${url}bench`;
        const ticks = await cpuTicks(child.pid);
        await restic(setting, repository, "init");
        flow.backup[name].push(await restic(setting, repository, "backup", data));
        const restore = ["restore", "latest", "--target", restored];
        flow.restore[name].push(await restic(setting, repository, ...restore));
        if (name === "own") {
          flow.ownCpuMs.push((await cpuTicks(child.pid) - ticks) * 1000 / TICKS_PER_SECOND);
        }
        await Deno.remove(`${setting.target}/restic/bench`, { recursive: true });
      });
      await Deno.remove(restored, { recursive: true });
      // What one leaves to be written must not be the next one's load.
      await runTool("sync");
    }
    // Who goes first changes: a machine that drifts must not favour one.
    order.push(order.shift()!);
  }
  return flow;
}
