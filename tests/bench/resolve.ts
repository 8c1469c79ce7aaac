/**
 * Finds a source in a fresh process, as the program does at its start, or runs blkid alone by the same
 * means, and prints the milliseconds: `resolve.ts /usr/sbin/blkid [UUID=...]`. A part of measure_growth.ts.
 *
 * @module
 */
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import { waitForSource } from "../../mod/devices.ts";
import * as edges from "../../mod/edges.ts";
import { createLog } from "../../mod/log.ts";
import { Progress } from "../../mod/progress.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import type { World } from "../../mod/world.ts";

const LIMIT_MS = 30_000;

const [program, source] = Deno.args as [string, string | undefined];
const { signal } = new AbortController();
const log = createLog((bytes) => Deno.stderr.write(bytes), edges.clock);
// Looking asks nothing else of the world.
const looking = { ...edges, root: true, log, progress: new Progress(Date.now) };
const settings = mergeSettings({ MNT_SOURCE: source ?? "/dev/null", MNT_TARGET: "/mnt/bench" });
const { mount } = parseConfig(settings, parseServerArgs(["--path", "/mnt/bench"]), "/");

const beginMs = performance.now();
if (source === undefined) {
  await edges.programs.output(program, ["-c", "/dev/null"], LIMIT_MS, signal);
} else {
  await waitForSource(mount!, { program }, LIMIT_MS, looking as Partial<World> as World, signal);
}
console.log(performance.now() - beginMs);
