/**
 * Where the time of a start goes, as the kernel saw it:
 *
 * begin -- runtime start --> blkid is executed -- blkid --> it has ended -- mount --> mount(2) has
 * returned -- launch --> rest-server is executed -- rest-server --> listen(2) has returned
 *
 * What overlaps is counted where it holds up the rest: a launcher that comes up beside blkid costs nothing
 * there.
 *
 * @module
 */
import { type Command, type Setting, startCommands, withListening } from "./measure_start.ts";
import { type Figures, START_PARTS } from "./results.ts";
import { Trace, type TraceEvent } from "./trace.ts";

/** The file that an event says was executed. */
function executed({ name, detail }: TraceEvent): string | undefined {
  return name === "sched_process_exec" ? /^filename=(.*) pid=\d+ /.exec(detail)?.[1] : undefined;
}

/** The events of a program's threads and children, from its own start on. */
function eventsOf(program: string, events: readonly TraceEvent[]): TraceEvent[] {
  const first = events.findIndex((event) => executed(event) === program);
  if (first < 0) throw new Error(`the trace does not show the start of "${program}"`);
  const family = new Set([events[first]!.pid]);
  return events.slice(first).filter(({ pid, name, detail }) => {
    if (!family.has(pid)) return false;
    if (name === "sched_process_fork") family.add(Number(/child_pid=(\d+)/.exec(detail)![1]));
    return true;
  });
}

const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/**
 * The milliseconds of each of {@linkcode START_PARTS}; 0 for what a start does without.
 *
 * @param program the path that was executed, by which it is told from other processes.
 */
export function partsOf(
  events: readonly TraceEvent[],
  program: string,
  server: string,
): number[] {
  const begin = events.find(({ name }) => name === "tracing_mark_write");
  const own = eventsOf(program, events);
  const isExec = (of: string) => (event: TraceEvent) => baseName(executed(event) ?? "") === of;
  const serverExec = own.findLast(isExec(baseName(server)));
  const listening = own.find(({ name, ms }) =>
    name === "sys_listen -> 0x0" && ms > (serverExec?.ms ?? Infinity)
  );
  if (begin === undefined || serverExec === undefined || listening === undefined) {
    throw new Error("the trace shows no start of rest-server");
  }
  const blkid = own.find(isExec("blkid"));
  const blkidEnd = own.findLast(({ pid, name }) =>
    pid === blkid?.pid && name === "sched_process_exit"
  );
  const mounted = own.findLast(({ name, ms }) =>
    /^sys_(mount|move_mount) -> 0x0$/.test(name) && ms < serverExec.ms
  );
  // What did not happen takes no time: it begins and ends with what comes after it.
  const marks = [begin, blkid, blkidEnd, mounted, serverExec, listening].map((event) => event?.ms);
  for (let i = marks.length - 1; i >= 0; i--) marks[i] ??= marks[i + 1];
  return START_PARTS.map((_, i) => marks[i + 1]! - marks[i]!);
}

/** A name for the program that nothing else on this machine is started by. */
async function ownName(setting: Setting, name: string, program: string): Promise<string> {
  const directory = `${setting.directory}/traced-${name}`;
  await Deno.mkdir(directory);
  const path = `${directory}/${baseName(program)}`;
  await Deno.symlink(program, path);
  return path;
}

/** Each command once a round; the first round warms the caches and does not count. */
export async function measureParts(setting: Setting, rounds: number): Promise<Figures["parts"]> {
  await using trace = await Trace.start(setting.directory);
  const parts: Figures["parts"] = { bare: [], script: [], this: [] };
  const all = startCommands(setting);
  const commands: [keyof Figures["parts"], Command][] = [];
  for (const name of ["bare", "script", "this"] as const) {
    const program = await ownName(setting, name, all[name].program);
    commands.push([name, { ...all[name], program }]);
  }
  for (let round = 0; round <= rounds; round++) {
    for (const [name, command] of commands) {
      await withListening(setting, command, () => Promise.resolve({}), () => trace.begin());
      const measured = partsOf(await trace.events(), command.program, setting.server);
      if (round > 0) parts[name].push(measured);
    }
  }
  return parts;
}
