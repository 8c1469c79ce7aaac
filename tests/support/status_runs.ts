/**
 * Runs with a fake rest-server whose status is asked.
 *
 * @module
 */
import { lockName } from "../../mod/lock.ts";
import { findRunDirectories } from "../../mod/run_directory.ts";
import { type Place, tmpfsOn } from "./fake_server.ts";
import { until } from "./wait.ts";
import type { Wrapper } from "./wrapper.ts";

const LISTENING = new URL("listening_server.ts", import.meta.url).pathname;

/** A rest-server that listens, as the real one does. */
export function listeningServer(place: Place): Promise<string> {
  const command = `exec "${Deno.execPath()}" run --quiet --allow-all --no-lock "${LISTENING}"`;
  return place.script("listening", command);
}

/** Serves a tmpfs in a namespace of its own, on a port. */
export async function serveOn(place: Place): Promise<Wrapper> {
  const disk = tmpfsOn(place);
  return place.start({ ...disk, env: { ...disk.env, MNT_SERVER: await listeningServer(place) } });
}

/** The question for the run of a place. */
export const about = ({ path }: Place, target = `${path}/mnt`) => ({
  env: { XDG_RUNTIME_DIR: path, MNT_TARGET: target },
});

/** Where the status file of a place is. */
export async function statusFile({ path }: Place): Promise<string> {
  const name = (await lockName(`${path}/mnt`)).replace(/lock$/, "status");
  const directories = await findRunDirectories({ XDG_RUNTIME_DIR: path });
  const there = directories.map((directory) => `${directory}/${name}`);
  const found = await until(async () => {
    const infos = await Promise.all(there.map((file) => Deno.stat(file).catch(() => null)));
    return there.find((_, i) => infos[i] !== null);
  }, `one of ${there}`);
  return found;
}
