/**
 * `deno task bench`: speed and memory of the program beside the bare rest-server and a shell script that
 * does the same, interleaved in one run, medians and ratios. Needs root: it mounts real loop devices, in a
 * mount namespace of its own. The tables go to tests/bench/results.md.
 *
 * @module
 */
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { findTools } from "../../dist/tools/tools.ts";
import { loopDisk } from "../support/disk.ts";
import { tempDirectory } from "../support/temp.ts";
import { machine, markdownTable, mb, median, ms } from "./figures.ts";
import { measureBlkidRuns, measureDiskAppears, measureMountinfo } from "./measure_waiting.ts";
import { measureIdle, measureRounds, type Setting, startCommands } from "./measure_start.ts";
import { measureThroughput, type Rounds } from "./measure_throughput.ts";

const ROUNDS = 15;
const THROUGHPUT_ROUNDS = 15;
const RESULTS = new URL("./results.md", import.meta.url);

async function inNamespace(): Promise<number> {
  const args = [
    "--mount",
    "--propagation",
    "private",
    Deno.execPath(),
    "run",
    "-A",
    import.meta.filename!,
  ];
  return (await new Deno.Command("unshare", { args: [...args, "--inside"] }).spawn().status).code;
}

async function bench(): Promise<void> {
  const say = (line: string) => console.error(`bench: ${line}`);
  await ensurePrograms(["losetup", "mkfs.ext4"], say);
  const tools = await findTools(say);
  await using directory = await tempDirectory();
  await using disk = await loopDisk({ fstype: "ext4", sizeBytes: 4 * 2 ** 30 });
  const setting: Setting = {
    server: tools["rest-server"],
    restic: tools.restic,
    device: disk.path,
    uuid: disk.uuid,
    directory: directory.path,
    target: `${directory.path}/mnt`,
  };
  await Deno.mkdir(setting.target);

  say(`start and stop, ${ROUNDS} rounds`);
  const rounds = await measureRounds(setting, await startCommands(setting), ROUNDS);
  const [bare, script, own] = [rounds.get("bare")!, rounds.get("script")!, rounds.get("this")!];
  say("idle, 20 s");
  const idle = await measureIdle(setting);
  say(`disk appears, ${ROUNDS} rounds`);
  const appears = await measureDiskAppears(setting, ROUNDS);
  say(`throughput of 512 MB, ${THROUGHPUT_ROUNDS} rounds`);
  const flow = await measureThroughput(setting, THROUGHPUT_ROUNDS);
  say("64 loop devices");
  const blkidRuns = await measureBlkidRuns(setting, 64);
  const mountinfoMs = measureMountinfo(10_000, ROUNDS);

  const start = markdownTable(
    ["median of 15, ms", "bare rest-server", "shell script", "this program"],
    [
      ["start to listening", ms(bare.startMs), ms(script.startMs), ms(own.startMs)],
      ["SIGTERM to gone (this: and unmounted)", ms(bare.stopMs), ms(script.stopMs), ms(own.stopMs)],
    ],
  );
  const without = median(rounds.get("without launcher")!.startMs) - median(script.startMs);
  const over = median(own.startMs) - median(script.startMs);
  const stopOver = median(own.stopMs) - median(bare.stopMs);
  const ratio = ({ bare, own, again }: Rounds) => median([...bare, ...again]) / median(own);
  const noise = ({ bare, again }: Rounds) => median(bare) / median(again);
  const goals = markdownTable(["what", "target", "measured"], [
    ["start to listening, above the script", "80 ms", `${over.toFixed(1)} ms`],
    ["of it without the launcher", "45 ms", `${without.toFixed(1)} ms`],
    ["the launcher", "70 ms", `${(over - without).toFixed(1)} ms`],
    ["disk node appears to listening", "300 ms", `${median(appears).toFixed(1)} ms`],
    ["SIGTERM to unmounted, above bare", "100 ms", `${stopOver.toFixed(1)} ms`],
    ["resident memory, idle", "42 MB", mb(idle.residentKb)],
    ["of it anonymous", "13 MB", mb(idle.anonymousKb)],
    ["processor time, idle", "0.1 %", `${idle.cpuPercent.toFixed(3)} %`],
    ["backup of 512 MB, speed against bare", "0.98", ratio(flow.backup).toFixed(3)],
    ["restore of 512 MB, speed against bare", "0.98", ratio(flow.restore).toFixed(3)],
    ["processor time for both", "-", `${median(flow.ownCpuMs).toFixed(0)} ms`],
    ["mountinfo with 10,000 mounts, parsed", "30 ms", `${mountinfoMs.toFixed(1)} ms`],
    ["blkid runs for a burst of 64 loop devices", "1", String(blkidRuns)],
  ]);
  const row = (name: string, rounds: Rounds) => [
    name,
    ms(rounds.bare),
    ms(rounds.again),
    ms(rounds.own),
    noise(rounds).toFixed(3),
  ];
  const throughput = markdownTable(
    [`512 MB, median of ${THROUGHPUT_ROUNDS}, ms`, "bare", "bare again", "this program", "noise"],
    [row("backup", flow.backup), row("restore", flow.restore)],
  );
  const text = `# Measured\n\n${await machine()}\n\n${start}\n\n${goals}\n\n` +
    `${throughput}\n\n` +
    "The bare server runs twice in each round: by how much it differs from itself is the noise of this " +
    "machine. Machines are shared: compare figures of one run alone.\n";
  console.log(text);
  await Deno.writeTextFile(RESULTS, text);
}

if (import.meta.main) {
  if (Deno.uid() !== 0) {
    console.error("bench: Cannot measure: it mounts real loop devices, run it as root");
    Deno.exit(77);
  }
  if (Deno.args.includes("--inside")) await bench();
  else Deno.exit(await inNamespace());
}
