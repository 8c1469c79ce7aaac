/**
 * mount(2) in a process of its own, which is this program in a third role: it can block for minutes, and here
 * errno would stay on a thread that nobody can ask.
 *
 * @module
 */
import { misused } from "../mod/launch.ts";
import { SIG_IGN, type SignalName, SIGNALS } from "../mod/linux.ts";
import type { MountSpec } from "../mod/source.ts";
import type { SelfCommand } from "./launcher.ts";
import type { Libc } from "./libc.ts";
import { mountHere } from "./mount.ts";

/** The variable that makes this program that process: what to mount, as JSON. */
export const MOUNT_VARIABLE = "RESTIC_REST_SERVER_MOUNT";

/** Signals that a stop can send to the whole process group. */
const OF_A_GROUP: readonly SignalName[] = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"];

/** Starts that process; gives 0 or errno, `null` where it did not come to tell. */
export async function mountApart(
  spec: MountSpec,
  { command: [program, ...args], variables }: SelfCommand,
): Promise<number | null> {
  const env = { ...variables, [MOUNT_VARIABLE]: JSON.stringify(spec) };
  try {
    const { stdout } = await new Deno.Command(program, {
      ...{ args, env, cwd: "/", stdin: "null", stdout: "piped", stderr: "inherit" },
    }).output();
    const text = new TextDecoder().decode(stdout);
    return /^\d{1,3}$/.test(text) ? Number(text) : null;
  } catch {
    return null; // No process can be started now.
  }
}

/**
 * What that process does: it prints 0 or errno, and gives its exit code.
 *
 * @param text the value of {@linkcode MOUNT_VARIABLE}.
 * @throws {Failure} "configuration" where this program did not set that.
 */
export function mountAndTell(text: string, libc: Libc): number {
  const spec = parseSpec(text);
  // What is mounted must be told, also while everybody stops.
  for (const name of OF_A_GROUP) libc.signal(SIGNALS[name], SIG_IGN);
  Deno.stdout.writeSync(new TextEncoder().encode(String(mountHere(libc, spec))));
  return 0;
}

function parseSpec(text: string): MountSpec {
  let spec: Partial<MountSpec> | null = null;
  try {
    spec = JSON.parse(text);
  } catch {
    // Said below.
  }
  const texts = [spec?.source, spec?.target, spec?.fstype, spec?.data];
  if (texts.every((it) => typeof it === "string") && Number.isSafeInteger(spec?.flags)) {
    return spec as MountSpec;
  }
  throw misused(MOUNT_VARIABLE);
}
