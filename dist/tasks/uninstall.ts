/**
 * `deno task uninstall [--prefix DIR]`: removes what `deno task install` has put there, and nothing else.
 *
 * @module
 */
import { DistError } from "../gokrazy/image.ts";
import { runCommand } from "../tools/command.ts";
import { isManaged, readRecord, removeFile, runTask, type Say, unitIs } from "./install_files.ts";
import { type Layout, UNITS } from "./install_plan.ts";

/** @throws {DistError} while systemd runs one of the units, or would at the next boot. */
async function requireUnused(): Promise<void> {
  for (const unit of UNITS) {
    for (const [question, state] of [["is-active", "active"], ["is-enabled", "enabled"]] as const) {
      if (!await unitIs(question, unit)) continue;
      throw new DistError(`${unit} is ${state}; end that with: systemctl disable --now ${unit}`);
    }
  }
}

async function uninstall(layout: Layout, say: Say): Promise<void> {
  const { files, directories } = await readRecord(layout);
  if (Object.keys(files).length === 0) {
    throw new DistError(
      `"${layout.record}" is not there: nothing was installed in ${layout.prefix}`,
    );
  }
  const managed = await isManaged(layout);
  if (managed) await requireUnused();
  for (const [path, digest] of Object.entries(files)) await removeFile(path, digest, say);
  await Deno.remove(layout.record);
  for (const path of directories.toReversed()) {
    await Deno.remove(path).catch(() => say(`${path}: left, for something else is in it`));
  }
  if (managed) await runCommand("systemctl", ["daemon-reload"]);
}

if (import.meta.main) Deno.exit(await runTask("uninstall", Deno.args, uninstall));
