/**
 * What was measured, kept whole: tests/bench/results.json, from which figures and tables are made.
 *
 * @module
 */
import { median } from "./figures.ts";

/** Milliseconds of each round. */
export interface StartFigures {
  readonly startMs: number[];
  readonly stopMs: number[];
}

/** The parts of a start, in their order; see measure_parts.ts for where each begins and ends. */
export const START_PARTS = ["runtime start", "blkid", "mount", "launch", "rest-server"] as const;

/** Kilobytes of one process. */
export interface Memory {
  readonly residentKb: number;
  readonly anonymousKb: number;
}

export interface MemoryFigures {
  /** rest-server alone, as the script leaves it, and under this program. */
  readonly bare: Memory;
  readonly script: Memory;
  readonly server: Memory;
  /** This program beside its rest-server. */
  readonly wrapper: Memory;
  readonly cpuPercent: number;
}

/** Milliseconds of each round. `again` is the bare server once more: what it differs by is noise. */
export interface Rounds {
  readonly bare: number[];
  readonly own: number[];
  readonly again: number[];
}

export interface ThroughputFigures {
  readonly megabytes: number;
  readonly backup: Rounds;
  readonly restore: Rounds;
  /** Processor time of the wrapper alone, from listening to the end of the restore. */
  readonly ownCpuMs: number[];
}

export interface WaitingFigures {
  readonly appearsMs: number[];
  /** Runs of blkid for a burst of 64 loop devices. */
  readonly blkidRuns: number;
  /** To parse a mountinfo of 10,000 mounts. */
  readonly mountinfoMs: number[];
}

/** With so many loop devices attached. */
export interface DevicesFigures {
  readonly count: number;
  readonly startMs: number[];
  readonly appearsMs: number[];
  /** From the first look at /proc/partitions to the source found, in a fresh process. */
  readonly resolveMs: number[];
  /** `blkid -c /dev/null`, run by a fresh process in the same way. */
  readonly blkidMs: number[];
}

/** With so many mounts in the mount namespace. */
export interface MountsFigures {
  readonly count: number;
  readonly startMs: number[];
  readonly scriptMs: number[];
  readonly appearsMs: number[];
}

/** The parts of the bench, by the names that `deno task bench` takes. */
export interface Figures {
  readonly start: Readonly<
    Record<"bare" | "script" | "this" | "withoutLauncher" | "fromSource", StartFigures>
  >;
  /** Milliseconds of each round, by command and part. */
  readonly parts: Readonly<Record<"bare" | "script" | "this", number[][]>>;
  readonly memory: MemoryFigures;
  readonly waiting: WaitingFigures;
  readonly devices: readonly DevicesFigures[];
  readonly mounts: readonly MountsFigures[];
  readonly throughput: ThroughputFigures;
}

export interface Measured<T> {
  /** Date, machine, kernel, runtime and commit. */
  readonly where: string;
  readonly figures: T;
}

/** Each part is as of its own last run. */
export type Results = { readonly [Name in keyof Figures]?: Measured<Figures[Name]> };

/** Count and milliseconds. */
export type Point = readonly [number, number];

/** The median of one measurement at each count. */
export function curve<Name extends string>(
  all: readonly ({ readonly count: number } & Readonly<Record<Name, readonly number[]>>)[],
  name: Name,
): Point[] {
  return all.map((figures) => [figures.count, median(figures[name])]);
}

const FILE = new URL("./results.json", import.meta.url);

export async function readResults(): Promise<Results> {
  try {
    return JSON.parse(await Deno.readTextFile(FILE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

/** Numbers with three decimals, lists of numbers on one line. */
export function formatResults(results: Results): string {
  const rounded = (_: string, value: unknown) =>
    typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  const text = JSON.stringify(results, rounded, 2);
  return text.replace(
    /\[[-\d.,\s]+\]/g,
    (list) => list.replace(/\s+/g, " ").replace("[ ", "[").replace(" ]", "]"),
  ) + "\n";
}

export async function writeResults(results: Results): Promise<void> {
  await Deno.writeTextFile(FILE, formatResults(results));
}
