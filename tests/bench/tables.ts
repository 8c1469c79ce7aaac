/**
 * The tables, from the results: tests/bench/results.md. Pure.
 *
 * @module
 */
import { markdownTable, mb, median, ms } from "./figures.ts";
import {
  curve,
  type Figures,
  type Point,
  type Results,
  type Rounds,
  START_PARTS,
} from "./results.ts";

/** `what | target | measured`. */
type Goal = [string, string, string];

function startGoals(
  { bare, script, this: own, withoutLauncher, fromSource }: Figures["start"],
): Goal[] {
  const above = (a: readonly number[], b: readonly number[]) =>
    `${(median(a) - median(b)).toFixed(1)} ms`;
  return [
    ["start to listening, above the script", "80 ms", above(own.startMs, script.startMs)],
    ["the same without the launcher", "45 ms", above(withoutLauncher.startMs, script.startMs)],
    ["the launcher", "70 ms", above(own.startMs, withoutLauncher.startMs)],
    ["the same from source, not bundled", "-", above(fromSource.startMs, script.startMs)],
    ["SIGTERM to unmounted, above bare", "100 ms", above(own.stopMs, bare.stopMs)],
  ];
}

function memoryGoals({ wrapper, cpuPercent }: Figures["memory"]): Goal[] {
  return [
    ["resident memory, idle", "42 MB", mb(wrapper.residentKb)],
    ["of it anonymous", "13 MB", mb(wrapper.anonymousKb)],
    ["processor time, idle", "0.1 %", `${cpuPercent.toFixed(3)} %`],
  ];
}

function waitingGoals({ appearsMs, mountinfoMs, blkidRuns }: Figures["waiting"]): Goal[] {
  return [
    ["disk node appears to listening", "300 ms", `${ms(appearsMs)} ms`],
    ["mountinfo with 10,000 mounts, parsed", "30 ms", `${ms(mountinfoMs)} ms`],
    ["blkid runs for a burst of 64 loop devices", "1", String(blkidRuns)],
  ];
}

/** How much each further one costs, from the middle of the range to its end against up to the middle. */
export function bend(points: readonly Point[]): number {
  const [first, middle, last] = [points[0]!, points.at(-2)!, points.at(-1)!];
  const slope = (a: Point, b: Point) => (b[1] - a[1]) / (b[0] - a[0]);
  return slope(middle, last) / slope(first, middle);
}

function devicesGoals(all: Figures["devices"]): Goal[] {
  const last = all.at(-1)!;
  const ratio = median(last.resolveMs) / median(last.blkidMs);
  const growth = (name: "startMs" | "appearsMs") => bend(curve(all, name)).toFixed(2);
  return [
    [`finding the disk among ${last.count}, against blkid alone`, "1.2", ratio.toFixed(2)],
    ["start, a device more: beyond 128 against below (1 is linear)", "1.5", growth("startMs")],
    ["wait, a device more: beyond 128 against below", "1.5", growth("appearsMs")],
  ];
}

function mountsGoals(all: Figures["mounts"]): Goal[] {
  const growth = (name: "startMs" | "appearsMs") => bend(curve(all, name)).toFixed(2);
  return [
    ["start, a mount more: beyond 5,000 against below (1 is linear)", "1.5", growth("startMs")],
    ["wait, a mount more: beyond 5,000 against below", "1.5", growth("appearsMs")],
  ];
}

function throughputGoals({ megabytes, backup, restore, ownCpuMs }: Figures["throughput"]): Goal[] {
  const ratio = ({ bare, own, again }: Rounds) =>
    (median([...bare, ...again]) / median(own)).toFixed(3);
  return [
    [`backup of ${megabytes} MB, speed against bare`, "0.98", ratio(backup)],
    [`restore of ${megabytes} MB, speed against bare`, "0.98", ratio(restore)],
    ["processor time for both", "-", `${median(ownCpuMs).toFixed(0)} ms`],
  ];
}

function startTable({ bare, script, this: own }: Figures["start"]): string {
  return markdownTable(
    [`median of ${own.startMs.length}, ms`, "bare rest-server", "shell script", "this program"],
    [
      ["start to listening", ms(bare.startMs), ms(script.startMs), ms(own.startMs)],
      ["SIGTERM to gone (this: and unmounted)", ms(bare.stopMs), ms(script.stopMs), ms(own.stopMs)],
    ],
  );
}

function partsTable(parts: Figures["parts"]): string {
  const cells = (name: keyof Figures["parts"]) =>
    START_PARTS.map((_, i) => ms(parts[name].map((round) => round[i]!)));
  return markdownTable(["start, ms", ...START_PARTS], [
    ["bare rest-server", ...cells("bare")],
    ["shell script", ...cells("script")],
    ["this program", ...cells("this")],
  ]);
}

function throughputTable({ megabytes, backup, restore }: Figures["throughput"]): string {
  const row = (name: string, rounds: Rounds) => {
    const noise = median(rounds.bare) / median(rounds.again);
    return [name, ms(rounds.bare), ms(rounds.again), ms(rounds.own), noise.toFixed(3)];
  };
  const head = `${megabytes} MB, median of ${backup.own.length}, ms`;
  return markdownTable(
    [head, "bare", "bare again", "this program", "noise"],
    [row("backup", backup), row("restore", restore)],
  ) +
    "\n\nThe bare server runs twice in each round: by how much it differs from itself is the noise of " +
    "this machine.";
}

function growthTables({ devices, mounts }: Results): string[] {
  const tables: string[] = [];
  if (devices) {
    const head = ["loop devices, ms", "start", "disk appears", "finding the disk", "blkid alone"];
    tables.push(markdownTable(
      head,
      devices.figures.map((
        { count, startMs, appearsMs, resolveMs, blkidMs },
      ) => [String(count), ms(startMs), ms(appearsMs), ms(resolveMs), ms(blkidMs)]),
    ));
  }
  if (mounts) {
    tables.push(markdownTable(
      ["mounts, ms", "start", "disk appears", "shell script"],
      mounts.figures.map((
        { count, startMs, appearsMs, scriptMs },
      ) => [String(count), ms(startMs), ms(appearsMs), ms(scriptMs)]),
    ));
  }
  return tables;
}

/** The text of results.md. */
export function writeTables(results: Results): string {
  const { start, parts, memory, waiting, devices, mounts, throughput } = results;
  const goals: Goal[] = [
    ...(start ? startGoals(start.figures) : []),
    ...(waiting ? waitingGoals(waiting.figures) : []),
    ...(memory ? memoryGoals(memory.figures) : []),
    ...(devices ? devicesGoals(devices.figures) : []),
    ...(mounts ? mountsGoals(mounts.figures) : []),
    ...(throughput ? throughputGoals(throughput.figures) : []),
  ];
  const places = new Map<string, string[]>();
  for (const [name, part] of Object.entries(results)) {
    places.set(part.where, [...places.get(part.where) ?? [], name]);
  }
  const where = [...places].map(([place, names]) =>
    places.size === 1 ? place : `${names.join(", ")}: ${place}`
  );
  return [
    "# Measured",
    ...where,
    ...(start ? [startTable(start.figures)] : []),
    ...(goals.length > 0 ? [markdownTable(["what", "target", "measured"], goals)] : []),
    ...(parts ? [partsTable(parts.figures)] : []),
    ...growthTables(results),
    ...(throughput ? [throughputTable(throughput.figures)] : []),
    "Written by `deno task bench` from results.json, which has every round. Machines are shared: compare " +
    "figures of one run alone.",
  ].join("\n\n") + "\n";
}
