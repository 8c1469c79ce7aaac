/**
 * `deno task bench:gokrazy`: how large the package is in an image, and how fast and how large the program
 * is in the guest beside a rest-server alone. Written to tests/bench/gokrazy.md.
 *
 * @module
 */
import { ensurePrograms } from "../../dist/tools/debian.ts";
import { PROGRAMS } from "../gokrazy/support/session.ts";
import { writeSection } from "../gokrazy/support/record.ts";
import { machine, markdownTable, mb, median } from "./figures.ts";
import { measureEngine, measurePlainRoot, medianMemory, type Start } from "./measure_guest.ts";

const say = (line: string) => console.log(`bench: ${line}`);
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function startCells(first: Start, later: readonly Start[]): string[] {
  const seconds = median(later.map((start) => start.seconds));
  return [`${first.seconds.toFixed(2)} s`, `${seconds.toFixed(2)} s`];
}

function memoryCells(later: readonly Start[], process: string): string[] {
  const { rssKb, pssKb } = medianMemory(later, process);
  return [mb(rssKb), mb(pssKb)];
}

type Measured = Awaited<ReturnType<typeof measureEngine>>;

function sizesTable(engine: string, { own }: Measured, plainBytes: number): string {
  return markdownTable(["size", `${engine} engine`], [
    ["program (with Deno)", megabytes(own.programBytes)],
    ["extrafiles_arm64.tar", megabytes(own.archiveBytes)],
    ["root file system without the package", megabytes(plainBytes)],
    ["root file system with it", megabytes(own.rootBytes)],
  ]);
}

function guestTables(engine: string, { own, alone }: Measured): string[] {
  const starts = markdownTable(["service start to `start server on`", "first", "later, median"], [
    [`restic-rest-server, ${engine} engine, disk there`, ...startCells(own.first, own.later)],
    ["rest-server alone", ...startCells(alone.first, alone.later)],
  ]);
  const memory = markdownTable(["memory in the guest, idle", "resident", "proportional"], [
    ["restic-rest-server", ...memoryCells(own.later, "restic-rest-server")],
    ["its rest-server", ...memoryCells(own.later, "rest-server")],
    ["rest-server alone", ...memoryCells(alone.later, "rest-server")],
  ]);
  return [starts, memory];
}

async function bench(): Promise<void> {
  await ensurePrograms(PROGRAMS, say);
  const plainBytes = await measurePlainRoot(say);
  const parts: string[] = [await machine()];
  parts.push(
    "The guest: kernel.arm64 under QEMU without KVM. One instruction is 1 ns of its time, whatever it " +
      "does, so its seconds are the same on a busy machine, and are a count of instructions rather " +
      "than the time of a Raspberry Pi.",
  );
  for (const engine of ["script", "compile"] as const) {
    try {
      const measured = await measureEngine(engine, say);
      parts.push(sizesTable(engine, measured, plainBytes), ...guestTables(engine, measured));
    } catch (error) {
      if (engine === "script") throw error;
      const lines = (error as Error).message.split("\n").map((line) => line.trim());
      const why = lines.findLast((line) => line.startsWith("Cannot"));
      say(`${engine} engine not measured: ${(error as Error).message}`);
      parts.push(`The ${engine} engine was not measured: it could not be built here (${why}).`);
    }
  }
  const text = parts.join("\n\n");
  await writeSection("Figures", text);
  console.log(text);
}

if (import.meta.main) await bench();
