/**
 * Memory and processor time of processes that serve.
 *
 * @module
 */
import { childPids } from "../support/processes.ts";
import { until } from "../support/wait.ts";
import { type Command, type Setting, startCommands, withListening } from "./measure_start.ts";
import type { Memory, MemoryFigures } from "./results.ts";

/** Clock ticks a second, as `/proc/PID/stat` counts them: USER_HZ, 100 on every Linux that Deno runs on. */
export const TICKS_PER_SECOND = 100;

export async function cpuTicks(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function memoryOf(pid: number): Promise<Memory> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)![1]);
  return { residentKb: field("Rss"), anonymousKb: field("Anonymous") };
}

async function pause(seconds: number, what: string): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  await until(() => performance.now() > endMs, what);
}

/** After so long the start is over, and what it alone needed is given back. */
const SETTLE_SECONDS = 5;
const IDLE_SECONDS = 20;

/** Memory of each while nobody uses the server, and the wrapper's processor time. */
export async function measureMemory(setting: Setting): Promise<MemoryFigures> {
  const commands = startCommands(setting);
  const alone = (command: Command) =>
    withListening(setting, command, async ({ child }) => {
      await pause(SETTLE_SECONDS, "the start to be over");
      return await memoryOf(child.pid);
    });
  const own = await withListening(setting, commands.this, async ({ child }) => {
    await pause(SETTLE_SECONDS, "the start to be over");
    const before = await cpuTicks(child.pid);
    await pause(IDLE_SECONDS, "the idle time to be over");
    const ticks = await cpuTicks(child.pid) - before;
    return {
      wrapper: await memoryOf(child.pid),
      server: await memoryOf(childPids(child.pid)[0]!),
      cpuPercent: 100 * ticks / TICKS_PER_SECOND / IDLE_SECONDS,
    };
  });
  const plain = ({ residentKb, anonymousKb }: Memory) => ({ residentKb, anonymousKb });
  return {
    bare: plain(await alone(commands.bare)),
    script: plain(await alone(commands.script)),
    server: own.server,
    wrapper: own.wrapper,
    cpuPercent: own.cpuPercent,
  };
}
