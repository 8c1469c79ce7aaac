/**
 * `deno task bench [NAME...]`: speed and memory of the program beside the bare rest-server and a shell
 * script that does the same, interleaved in one run. Needs root: it mounts real loop devices, in a mount
 * namespace of its own. Every round goes to tests/bench/results.json, and what is made of that, with
 * `--draw` and no measurement, to results.md and the figures beside it. `--quick` tries it with few rounds.
 *
 * @module
 */
import { runnableBundle } from "../../dist/gokrazy/bundle.ts";
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { findTools } from "../../dist/tools/tools.ts";
import { loopDisk } from "../support/disk.ts";
import { tempDirectory } from "../support/temp.ts";
import { drawFigures } from "./draw.ts";
import { machine } from "./figures.ts";
import { measureDevices, measureMounts } from "./measure_growth.ts";
import { measureParts } from "./measure_parts.ts";
import { measureMemory } from "./measure_memory.ts";
import { measureRounds, type Setting } from "./measure_start.ts";
import { measureThroughput } from "./measure_throughput.ts";
import { lateDisk, measureBlkidRuns, measureMountinfo } from "./measure_waiting.ts";
import { type Figures, readResults, writeResults } from "./results.ts";
import { writeTables } from "./tables.ts";

/** How often each is measured. */
interface Counts {
  readonly rounds: number;
  readonly growth: number;
}
const FULL: Counts = { rounds: 15, growth: 7 };
const QUICK: Counts = { rounds: 3, growth: 2 };

type Part<T> = (setting: Setting, counts: Counts) => Promise<T>;

const PARTS: { readonly [Name in keyof Figures]: Part<Figures[Name]> } = {
  start: (setting, { rounds }) => measureRounds(setting, rounds),
  parts: (setting, { rounds }) => measureParts(setting, rounds),
  memory: (setting) => measureMemory(setting),
  waiting: async (setting, { rounds }) => {
    const late = await lateDisk(setting);
    const appearsMs: number[] = [];
    for (let round = 0; round < rounds; round++) appearsMs.push(await late.appear());
    return {
      appearsMs,
      blkidRuns: await measureBlkidRuns(setting, 64),
      mountinfoMs: measureMountinfo(10_000, rounds),
    };
  },
  devices: (setting, { growth }) => measureDevices(setting, growth),
  mounts: (setting, { growth }) => measureMounts(setting, growth),
  throughput: (setting, { rounds }) => measureThroughput(setting, rounds),
};

type Name = keyof Figures;

const say = (line: string) => console.error(`bench: ${line}`);

/** Measures the parts, each kept as soon as it is there. */
async function measure(names: readonly Name[], counts: Counts): Promise<void> {
  await ensurePrograms(["blkid", "losetup", "mkfs.ext4"], say);
  const tools = await findTools(say);
  await using directory = await tempDirectory();
  await using disk = await loopDisk({ fstype: "ext4", sizeBytes: 4 * 2 ** 30 });
  const installed = `${directory.path}/installed`;
  await Deno.mkdir(installed);
  const setting: Setting = {
    program: await runnableBundle(installed, Deno.execPath()),
    server: tools["rest-server"],
    restic: tools.restic,
    device: disk.path,
    uuid: disk.uuid,
    directory: directory.path,
    target: `${directory.path}/mnt`,
  };
  await Deno.mkdir(setting.target);
  const where = await machine();
  for (const name of names) {
    say(name);
    const figures = await PARTS[name](setting, counts);
    await writeResults({ ...await readResults(), [name]: { where, figures } });
  }
}

/** Writes the figures and the tables anew. */
async function draw(): Promise<void> {
  const results = await readResults();
  const files = new Map([...drawFigures(results), ["results.md", writeTables(results)]]);
  for (const [name, text] of files) {
    await Deno.writeTextFile(new URL(`./${name}`, import.meta.url), text);
  }
  console.log(files.get("results.md"));
}

/** The same command once more, in a mount namespace of its own. */
async function inNamespace(): Promise<number> {
  const namespace = ["--mount", "--propagation", "private"];
  const self = [Deno.execPath(), "run", "--allow-all", import.meta.filename!, "--inside"];
  const args = [...namespace, ...self, ...Deno.args];
  return (await new Deno.Command("unshare", { args }).spawn().status).code;
}

async function main(): Promise<number> {
  const names = Deno.args.filter((arg) => !arg.startsWith("--"));
  const known = Object.keys(PARTS);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    say(`Cannot measure ${unknown.join(", ")}: there are ${known.join(", ")}`);
    return 64;
  }
  if (!Deno.args.includes("--draw")) {
    if (Deno.uid() !== 0) {
      say("Cannot measure: it mounts real loop devices, run it as root");
      return 77;
    }
    if (!Deno.args.includes("--inside")) return await inNamespace();
    const counts = Deno.args.includes("--quick") ? QUICK : FULL;
    await measure((names.length > 0 ? names : known) as Name[], counts);
  }
  await draw();
  return 0;
}

if (import.meta.main) Deno.exit(await main());
