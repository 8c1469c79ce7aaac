/**
 * Measures the program and a rest-server alone inside a booted gokrazy.
 *
 * @module
 */
import { median } from "./figures.ts";
import { type GuestDisk, makeDisk } from "../gokrazy/support/disks.ts";
import { type Image, makeImage, PACKAGE, rootSizeBytes } from "../gokrazy/support/image.ts";
import type { ImageSpec } from "../gokrazy/support/instance.ts";
import { KERNELS } from "../gokrazy/support/kernels.ts";
import { Machine } from "../gokrazy/support/machine.ts";
import { EXT4 } from "../gokrazy/support/services.ts";
import { tempDirectory } from "../support/temp.ts";

type Progress = (line: string) => void;

/** What one start of a program in the guest showed. */
export interface Start {
  /** From its start to `start server on`, by the guest's clock, to 10 ms. */
  readonly seconds: number;
  /** Resident and proportional kilobytes, by the process's name. */
  readonly memory: ReadonlyMap<string, { readonly rssKb: number; readonly pssKb: number }>;
}

export interface EngineFigures {
  readonly programBytes: number;
  readonly archiveBytes: number;
  readonly rootBytes: number;
  readonly first: Start;
  readonly later: readonly Start[];
}

const ROUNDS = 5;
/** Memory is looked at when the program has been idle for so long. */
const IDLE_SECONDS = 3;
const TARGET = "/perm/backup";

/** The files in the archive that are the program, and not what it runs on. */
const PROGRAM_FILES = ["usr/local/bin/restic-rest-server", "usr/local/bin/deno"];

function spec(name: string, engine: ImageSpec["engine"]): ImageSpec {
  return { name, engine, kernel: KERNELS.arm64, services: [] };
}

/** Bytes of the root file system of an image without the package. */
export async function measurePlainRoot(progress: Progress): Promise<number> {
  return await rootSizeBytes(await makeImage(spec("plain", "none"), progress));
}

/**
 * A script for the guest: starts a program, and when it says that it listens prints the time from the
 * start, then what /proc says of the memory of all its processes, and ends it.
 */
function startScript(environment: string, command: string, names: readonly string[]): string {
  const look = names.map((name) =>
    `pid=$(grep -l -a '^${name}' /proc/[0-9]*/cmdline | head -n 1 | cut -d/ -f3); ` +
    `echo memory ${name} $(grep -E '^(Rss|Pss):' /proc/$pid/smaps_rollup)`
  ).join("\n      ");
  return `export PATH=/user:/gokrazy:/usr/local/bin ${environment}
read from rest </proc/uptime
busybox sh -c 'echo $$ >/tmp/bench.pid; exec ${command}' 2>&1 | while read -r line; do
  case "$line" in
    "start server on"*)
      read to rest </proc/uptime
      echo time $from $to
      sleep ${IDLE_SECONDS}
      ${look}
      kill $(cat /tmp/bench.pid)
      ;;
  esac
done`;
}

/** @throws {SyntaxError} where the script printed something else. */
export function parseStart(output: string): Start {
  const [, from, to] = /^time (\S+) (\S+)$/m.exec(output) ?? [];
  if (from === undefined) throw new SyntaxError(`Cannot read the time of a start in: ${output}`);
  const memory = new Map<string, { rssKb: number; pssKb: number }>();
  for (const [, name, rss, pss] of output.matchAll(/^memory (\S+) Rss: (\d+) kB Pss: (\d+) kB/gm)) {
    memory.set(name!, { rssKb: Number(rss), pssKb: Number(pss) });
  }
  return { seconds: Number(to) - Number(from), memory };
}

async function measureStarts(machine: Machine, script: string, names: readonly string[]) {
  const starts: Start[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const output = await machine.sh(script, 300_000);
    const start = parseStart(output);
    if (start.memory.size !== names.length) throw new Error(`no memory figures in: ${output}`);
    starts.push(start);
  }
  return { first: starts[0]!, later: starts.slice(1) };
}

/** Boots an image with an ext4 disk that is there, for as long as `use` takes. */
async function withMachine<T>(image: Image, use: (machine: Machine) => Promise<T>): Promise<T> {
  await using temporary = await tempDirectory();
  const disk: GuestDisk = await makeDisk(temporary.path, "ext4", "ext4", EXT4.identity);
  await using machine = await Machine.boot({ image, directory: temporary.path, ports: [] });
  await machine.plug(disk);
  await machine.sh("until [ -b /dev/sda ]; do usleep 50000; done");
  return await use(machine);
}

/** What /proc shows as the first word of the wrapper's command line. */
const DENO = "/usr/local/bin/deno";
const COMPILED = "/usr/local/bin/restic-rest-server";
const SERVER = "/user/rest-server";

async function programBytes(): Promise<number> {
  const { stdout } = await new Deno.Command("tar", {
    args: ["--list", "--verbose", "--file", `${PACKAGE}/_gokrazy/extrafiles_arm64.tar`],
  }).output();
  let bytes = 0;
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const [, , size, , , name] = line.split(/\s+/);
    if (PROGRAM_FILES.includes(name ?? "")) bytes += Number(size);
  }
  return bytes;
}

/** All figures of one engine, and those of a rest-server alone in the same guest. */
export async function measureEngine(
  engine: "script" | "compile",
  progress: Progress,
): Promise<{ own: EngineFigures; alone: Pick<EngineFigures, "first" | "later"> }> {
  const image = await makeImage(spec(`bench-${engine}`, engine), progress);
  const archive = `${PACKAGE}/_gokrazy/extrafiles_arm64.tar`;
  const sizes = {
    programBytes: await programBytes(),
    archiveBytes: (await Deno.stat(archive)).size,
    rootBytes: await rootSizeBytes(image),
  };
  progress(`booting, then ${2 * (ROUNDS + 1)} starts in the guest`);
  return await withMachine(image, async (machine) => {
    const wrapper = engine === "script" ? DENO : COMPILED;
    const source = `MNT_SOURCE=UUID=${EXT4.identity.uuid} MNT_TARGET=${TARGET}`;
    const flags = "--no-auth --listen=:8000 --path=";
    const own = startScript(
      source,
      `/user/restic-rest-server ${flags}${TARGET}/restic`,
      [wrapper, SERVER],
    );
    const alone = startScript("", `${SERVER} ${flags}/perm/alone`, [SERVER]);
    return {
      own: { ...sizes, ...await measureStarts(machine, own, [wrapper, SERVER]) },
      alone: await measureStarts(machine, alone, [SERVER]),
    };
  });
}

/** The processes of a start, in the words of the table. */
export const PROCESS_NAMES = new Map([
  [DENO, "restic-rest-server"],
  [COMPILED, "restic-rest-server"],
  [SERVER, "rest-server"],
]);

/** Median over the later starts. */
export function medianMemory(starts: readonly Start[], process: string) {
  const of = (key: "rssKb" | "pssKb") => {
    const values = starts.flatMap(({ memory }) =>
      [...memory].filter(([name]) => PROCESS_NAMES.get(name) === process).map(([, m]) => m[key])
    );
    return median(values);
  };
  return { rssKb: of("rssKb"), pssKb: of("pssKb") };
}
