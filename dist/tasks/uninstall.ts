/**
 * `deno task uninstall [--prefix DIR]`: removes what `deno task install` has put there, and nothing else.
 *
 * @module
 */
import { DistError, fileDigest } from "../gokrazy/image.ts";
import { runCommand } from "../tools/command.ts";
import { isManaged, readRecord, runTask } from "./install.ts";
import { type Layout, UNITS } from "./install_plan.ts";

/** @throws {DistError} while systemd runs one of the units, or would at the next boot. */
async function requireStopped(): Promise<void> {
  for (const unit of UNITS) {
    for (const question of ["is-active", "is-enabled"]) {
      const used = await runCommand("systemctl", [question, "--quiet", unit])
        .then(() => true, () => false);
      if (used) {
        throw new DistError(
          `${unit} ${question.replace("-", " ")}: systemctl disable --now ${unit}`,
        );
      }
    }
  }
}

async function removeFile(path: string, digest: string): Promise<"removed" | "gone" | "changed"> {
  try {
    if (await fileDigest(path, "sha256", "hex") !== digest) return "changed";
    await Deno.remove(path);
    return "removed";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "gone";
    throw error;
  }
}

async function uninstall(layout: Layout, say: (line: string) => void): Promise<void> {
  const { files, directories } = await readRecord(layout);
  if (Object.keys(files).length === 0) {
    throw new DistError(
      `"${layout.record}" is not there: nothing was installed in ${layout.prefix}`,
    );
  }
  const managed = await isManaged(layout);
  if (managed) await requireStopped();
  for (const [path, digest] of Object.entries(files)) {
    const what = await removeFile(path, digest);
    if (what === "removed") say(`${path}: removed`);
    if (what === "gone") say(`${path}: was not there any more`);
    if (what === "changed") say(`${path}: left, for it was changed`);
  }
  await Deno.remove(layout.record);
  for (const path of directories.toReversed()) {
    // One that holds something else by now stays.
    await Deno.remove(path).catch(() => say(`${path}: left, for it is not empty`));
  }
  if (managed) await runCommand("systemctl", ["daemon-reload"]);
}

if (import.meta.main) Deno.exit(await runTask("uninstall", Deno.args, uninstall));
