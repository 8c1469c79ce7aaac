/**
 * The figures, from the results: tests/bench/*.svg. Pure.
 *
 * @module
 */
import { barChart, lineChart } from "./charts.ts";
import { mb, median, ms } from "./figures.ts";
import { curve, type Figures, type Memory, type Results, START_PARTS } from "./results.ts";
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
      "The trace adds up to 1 ms. Less is better.",
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

function devicesFigure(all: Figures["devices"], where: string): string {
  const [first, last] = [all[0]!, all.at(-1)!];
  return lineChart({
    name: "devices",
    title: `Start and wait with up to ${last.count} block devices`,
    description:
      `Milliseconds with ${first.count} to ${last.count} loop devices: this program starts in ` +
      `${ms(first.startMs)} to ${ms(last.startMs)} ms; of that, finding the disk takes ` +
      `${ms(first.resolveMs)} to ${ms(last.resolveMs)} ms, and blkid alone ` +
      `${ms(first.blkidMs)} to ${ms(last.blkidMs)} ms.`,
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
