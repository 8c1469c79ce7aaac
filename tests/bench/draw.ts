/**
 * Figures and tables from the results: tests/bench/*.svg and tests/bench/results.md. Pure.
 *
 * @module
 */
import { barChart, lineChart } from "./charts.ts";
import { markdownTable, mb, median, ms } from "./figures.ts";
import { type Figures, type Memory, type Results, type Rounds, START_PARTS } from "./results.ts";
import { amount } from "./svg.ts";

const NAMES = { bare: "rest-server alone", script: "shell script", this: "this program" } as const;

function startFigure(parts: Figures["parts"], where: string): string {
  const bars = (["bare", "script", "this"] as const).map((name) => ({
    label: NAMES[name],
    parts: START_PARTS.map((_, i) => median(parts[name].map((round) => round[i]!))),
  }));
  const totals = bars.map(({ label, parts }) =>
    `${label} ${amount(parts.reduce((sum, part) => sum + part, 0))} ms`
  );
  return barChart({
    name: "start",
    title: "From start to listening",
    description: `Milliseconds until rest-server listens, in parts: ${totals.join(", ")}.`,
    captions: [
      `Medians of ${parts.this.length} rounds, by the kernel's own trace: until blkid is executed, until it ` +
      "has ended, until mount(2) has returned, until rest-server is executed, until listen(2) has returned. " +
      "Less is better.",
      where,
    ],
    unit: "ms",
    parts: START_PARTS,
    bars,
  });
}

function throughputFigure({ megabytes, backup, restore }: Figures["throughput"], where: string) {
  const bar = (label: string, times: readonly number[], colour: number) => {
    const speeds = times.map((time) => megabytes / time * 1000);
    return {
      label,
      parts: [median(speeds)],
      range: [Math.min(...speeds), Math.max(...speeds)] as const,
      colour,
    };
  };
  const bars = [
    bar("backup, rest-server alone", [...backup.bare, ...backup.again], 4),
    bar("backup, this program", backup.own, 3),
    bar("restore, rest-server alone", [...restore.bare, ...restore.again], 4),
    bar("restore, this program", restore.own, 3),
  ];
  const totals = bars.map(({ label, parts }) => `${label} ${amount(parts[0]!)} MB/s`);
  return barChart({
    name: "throughput",
    title: `Backup and restore of ${megabytes} MB by restic`,
    description: `Median megabytes a second: ${totals.join("; ")}.`,
    captions: [
      `Medians of ${backup.own.length} rounds; the thin lines reach from the slowest to the fastest. This ` +
      "program stands beside the data, not in its way. More is better.",
      where,
    ],
    unit: "MB/s",
    parts: ["speed"],
    bars,
  });
}

function memoryFigure(memory: Figures["memory"], where: string): string {
  const megabytes = (kb: number) => kb / 1024;
  const halves = ({ residentKb, anonymousKb }: Memory) => [
    megabytes(anonymousKb),
    megabytes(residentKb - anonymousKb),
  ];
  const bars = [
    { label: NAMES.bare, parts: [...halves(memory.bare), 0, 0] },
    { label: NAMES.script, parts: [...halves(memory.script), 0, 0] },
    { label: NAMES.this, parts: [...halves(memory.server), ...halves(memory.wrapper)] },
  ];
  const { residentKb, anonymousKb } = memory.wrapper;
  return barChart({
    name: "memory",
    title: "Resident memory while nobody uses it",
    description: `rest-server alone ${mb(memory.bare.residentKb)}, under the shell script ` +
      `${mb(memory.script.residentKb)}, under this program ${mb(memory.server.residentKb)} and ` +
      `${mb(residentKb)} of its own, of which ${mb(anonymousKb)} are anonymous.`,
    captions: [
      "Anonymous memory is a program's own; file pages are its executable, which the kernel drops and " +
      "reads again as it needs. The script is gone once rest-server runs in its place. Less is better.",
      where,
    ],
    unit: "MB",
    parts: [
      "rest-server, anonymous",
      "rest-server, file pages",
      "this program, anonymous",
      "this program, file pages",
    ],
    bars,
  });
}

type Point = readonly [number, number];

/** The median of one measurement at each count. */
function curve<Name extends string>(
  all: readonly ({ readonly count: number } & Readonly<Record<Name, readonly number[]>>)[],
  name: Name,
): Point[] {
  return all.map((figures) => [figures.count, median(figures[name])]);
}

function devicesFigure(all: Figures["devices"], where: string): string {
  const last = all.at(-1)!;
  return lineChart({
    name: "devices",
    title: `Start and wait with up to ${last.count} block devices`,
    description:
      `Milliseconds with 1 to ${last.count} loop devices. All lines are straight or bend down: ` +
      `with ${last.count} the source is found in ${
        ms(last.resolveMs)
      } ms, of which blkid alone takes ` +
      `${ms(last.blkidMs)} ms.`,
    captions: [
      `Medians of ${last.startMs.length} rounds. Each loop device has an ext4; nothing tells blkid where ` +
      "to look, for a gokrazy has no udev. Finding the disk and blkid alone are timed in fresh processes.",
      where,
    ],
    unit: "ms",
    counts: "loop devices",
    marks: [0, 64, 128, 192, 256],
    lines: [
      { name: "disk appears to listening", points: curve(all, "appearsMs") },
      { name: "start to listening", points: curve(all, "startMs") },
      { name: "finding the disk", points: curve(all, "resolveMs") },
      { name: "blkid alone", points: curve(all, "blkidMs") },
    ],
  });
}

function mountsFigure(all: Figures["mounts"], where: string): string {
  const last = all.at(-1)!;
  return lineChart({
    name: "mounts",
    title: `Start and wait with up to ${amount(last.count)} mounts`,
    description: `Milliseconds with 10 to ${amount(last.count)} mounts: this program starts in ` +
      `${ms(all[0]!.startMs)} to ${ms(last.startMs)} ms, the shell script in ` +
      `${ms(all[0]!.scriptMs)} to ${ms(last.scriptMs)} ms.`,
    captions: [
      `Medians of ${last.startMs.length} rounds, with bind mounts in a mount namespace of their own. This ` +
      "program reads the list of mounts, to prove that it serves from the right one; the script does not.",
      where,
    ],
    unit: "ms",
    counts: "mounts",
    marks: [0, 2500, 5000, 7500, 10_000],
    lines: [
      { name: "disk appears to listening", points: curve(all, "appearsMs") },
      { name: "start to listening", points: curve(all, "startMs") },
      { name: "shell script", points: curve(all, "scriptMs") },
    ],
  });
}

/** File name -> SVG, of all parts that were measured. */
export function drawFigures(
  { parts, throughput, memory, devices, mounts }: Results,
): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  if (parts) files.set("start.svg", startFigure(parts.figures, parts.where));
  if (throughput) {
    files.set("throughput.svg", throughputFigure(throughput.figures, throughput.where));
  }
  if (memory) files.set("memory.svg", memoryFigure(memory.figures, memory.where));
  if (devices) files.set("devices.svg", devicesFigure(devices.figures, devices.where));
  if (mounts) files.set("mounts.svg", mountsFigure(mounts.figures, mounts.where));
  return files;
}

/** `what | target | measured`. */
type Goal = [string, string, string];

function startGoals({ bare, script, this: own, withoutLauncher }: Figures["start"]): Goal[] {
  const above = (a: readonly number[], b: readonly number[]) =>
    `${(median(a) - median(b)).toFixed(1)} ms`;
  return [
    ["start to listening, above the script", "80 ms", above(own.startMs, script.startMs)],
    ["the same without the launcher", "45 ms", above(withoutLauncher.startMs, script.startMs)],
    ["the launcher", "70 ms", above(own.startMs, withoutLauncher.startMs)],
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
