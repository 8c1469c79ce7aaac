/**
 * `deno task demo`: a real backup on a real mounted file system, from nothing to unmounted.
 *
 * This part makes the folder and the namespace, starts demo_inside.ts in them, passes on that it is to stop,
 * and waits: only when everything is down does the task end.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { ensurePrograms } from "../tools/debian.ts";
import { freeLoops } from "./demo_disk.ts";
import {
  type DiskKind,
  EXIT_FAILED,
  EXIT_INTERRUPTED,
  EXIT_USAGE,
  explainNamespace,
  HELP,
  parseDemoArgs,
  PRIVATE_RUN,
  unshareArgs,
} from "./demo_plan.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof SIGNALS;

/** The first signal that asks for the end; a terminal's Ctrl-C comes twice, from it and from `deno task`. */
function listen(): { readonly received: Promise<StopSignal>; first: StopSignal | undefined } {
  const { promise, resolve } = Promise.withResolvers<StopSignal>();
  const stop = { received: promise, first: undefined as StopSignal | undefined };
  for (const name of Object.keys(SIGNALS) as StopSignal[]) {
    Deno.addSignalListener(name, () => resolve(stop.first ??= name));
  }
  return stop;
}

async function readSwitch(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(`/proc/sys/${path}`).then((text) => text.trim(), () => undefined);
}

/** Tries in a namespace what the demo will do there. @throws {Error} that says what forbids it. */
async function tryNamespace(unshare: string, kind: DiskKind): Promise<void> {
  try {
    await runCommand(unshare, [...unshareArgs(kind), ...PRIVATE_RUN]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const [apparmor, clone, max] = await Promise.all([
      readSwitch("kernel/apparmor_restrict_unprivileged_userns"),
      readSwitch("kernel/unprivileged_userns_clone"),
      readSwitch("user/max_user_namespaces"),
    ]);
    const said = error.lines.join(" ") || error.message;
    throw new Error(explainNamespace(kind, said, { apparmor, clone, max }), { cause: error });
  }
}

/** Ends what a killed demo left: its process group, its loop device, its folder. A normal end left none. */
async function clear(leader: number, kind: DiskKind, folder: string): Promise<void> {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch {
    // Nobody is left.
  }
  if (kind === "ext4") await freeLoops(folder);
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

async function main(args: string[]): Promise<number> {
  const options = parseDemoArgs(args);
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const stop = listen();
  const kind: DiskKind = Deno.uid() === 0 ? "ext4" : "tmpfs";
  const { unshare } = await ensurePrograms(["unshare", "mount"], console.log);
  await tryNamespace(unshare!, kind);

  const folder = await Deno.realPath(
    await Deno.makeTempDir({ prefix: "restic-rest-server-demo-" }),
  );
  const inside = new URL("demo_inside.ts", import.meta.url).pathname;
  const child = new Deno.Command(unshare!, {
    args: [
      ...unshareArgs(kind),
      ...[Deno.execPath(), "run", "-A", inside, kind, folder],
      ...(options.stay ? ["--stay"] : []),
    ],
    stdin: "piped",
    // A group of its own: Ctrl-C reaches us alone, and what it started is taken down in order.
    detached: true,
  }).spawn();
  stop.received.then(() => child.stdin.close()).catch(() => {});
  try {
    const { code, signal } = await child.status;
    if (signal !== null) console.log(`The demo was killed by ${signal}`);
    if (signal !== null) return EXIT_FAILED;
    return code === EXIT_INTERRUPTED && stop.first !== undefined ? 128 + SIGNALS[stop.first] : code;
  } finally {
    await clear(child.pid, kind, folder);
  }
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(error instanceof SyntaxError ? EXIT_USAGE : EXIT_FAILED);
  }
}
