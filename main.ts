/**
 * restic-rest-server: mounts a disk, runs restic's rest-server on it, and takes both down in order.
 *
 * Here the program meets the world: the real edges are made and handed down to `mod/run.ts`.
 *
 * @module
 */
import { landlockVersion } from "./ffi/landlock.ts";
import { launch } from "./ffi/launch.ts";
import type { SelfCommand } from "./ffi/launcher.ts";
import { type Libc, openLauncherLibc, openLibc } from "./ffi/libc.ts";
import { MOUNT_VARIABLE, mountAndTell } from "./ffi/mount_apart.ts";
import { listenForSignals } from "./ffi/signals.ts";
import { bootMs, makeWorld } from "./ffi/world.ts";
import { ConfigError, mergeSettings, parseConfig, wantsCheck } from "./mod/config.ts";
import { readConfigDirectory } from "./mod/config_directory.ts";
import { clock, files } from "./mod/edges.ts";
import { cleanEnvironment, encodingProblems } from "./mod/environment.ts";
import { exitCode, messageOf, type Platform } from "./mod/exit.ts";
import { parseVerb } from "./mod/help.ts";
import { sayWhy } from "./mod/last_words.ts";
import { LAUNCH_VARIABLE } from "./mod/launch.ts";
import type { SignalName } from "./mod/linux.ts";
import { createLog, stderrOutlet } from "./mod/log.ts";
import { chooseRunDirectory } from "./mod/run_directory.ts";
import { runWithStatus } from "./mod/run_with_status.ts";
import { secretsOf } from "./mod/secrets.ts";
import { parseServerArgs } from "./mod/server_args.ts";
import { Signals } from "./mod/signals.ts";
import type { World } from "./mod/world.ts";

const log = createLog((bytes) => Deno.stderr.write(bytes), clock, stderrOutlet());

/** How the launcher is started: this very program, with the variables that Deno had when it started. */
function selfCommand(environment: Readonly<Record<string, string>>): SelfCommand {
  const script = ["run", "--quiet", "--allow-all", "--no-code-cache", import.meta.filename!];
  const deno = Object.entries(environment).filter(([name]) => name.startsWith("DENO_"));
  return {
    command: [Deno.execPath(), ...Deno.build.standalone ? [] : script],
    variables: Object.fromEntries(deno),
  };
}

/** Leaves nothing of this program and of Deno in the environment that is handed on. */
function resetEnvironment(environment: Readonly<Record<string, string>>): void {
  const change = cleanEnvironment(environment);
  for (const name of change.remove) Deno.env.delete(name);
  if (change.path !== undefined) Deno.env.set("PATH", change.path);
}

/** From now on no line and no state shows what is secret in these. */
function hideSecretsOf(variables: Readonly<Record<string, string>>, args: readonly string[]) {
  const own = Object.entries(variables).filter(([name]) => name.startsWith("MNT_"));
  log.hide(secretsOf(own, args));
}

async function ownVersion(): Promise<string> {
  return (await import("./deno.json", { with: { type: "json" } })).default.version;
}

async function main(signals: Signals, platform: Platform, libc: Libc): Promise<number> {
  const environment = Deno.env.toObject();
  // Before anything can fail; a value that it does not take is reported below, as text.
  if (environment["MNT_LOG"] === "json") log.setFormat("json");
  hideSecretsOf(environment, Deno.args);
  const command = parseVerb(Deno.args);
  resetEnvironment(environment);
  const worldWith = (runDirectory: string) =>
    makeWorld({
      ...{ platform, runDirectory, self: selfCommand(environment), log, libc },
      stopping: signals.stopping,
    });
  const asker = () => ({
    ...{ environment, signals, world: worldWith(""), ownVersion, setLogFormat: log.setFormat },
    landlock: () => landlockVersion(openLauncherLibc()),
  });
  if (command !== undefined) {
    const { answerVerb } = await import("./mod/verbs.ts");
    return await answerVerb(command, asker());
  }
  const answerLogged = async () => {
    const { answerCheck } = await import("./mod/verbs.ts");
    return await answerCheck(Deno.args, "variable", asker());
  };
  // Before anything of the configuration can fail: its faults are findings then.
  if (environment["MNT_CHECK"] === "1") return await answerLogged();
  const unreadable = encodingProblems(Deno.readFileSync("/proc/self/environ"));
  if (unreadable.length > 0) throw new ConfigError(unreadable);
  const fromFiles = environment["MNT_CONFIG_DIR"]
    ? await readConfigDirectory(environment["MNT_CONFIG_DIR"], files)
    : undefined;
  for (const [name, value] of Object.entries(fromFiles?.variables ?? {})) {
    if (!name.startsWith("MNT_") && !(name in environment)) Deno.env.set(name, value);
  }

  const args = [...fromFiles?.args ?? [], ...Deno.args];
  if (fromFiles !== undefined) hideSecretsOf(fromFiles.variables, args);
  const directory = Deno.cwd();
  const settings = mergeSettings(environment, fromFiles);
  if (wantsCheck(settings)) return await answerLogged();
  const config = parseConfig(settings, parseServerArgs(args), directory);
  log.setFormat(config.log);
  const keepsNotes = config.mount !== null || platform === "gokrazy";
  const runDirectory = keepsNotes ? await chooseRunDirectory(environment) : "";
  const world = worldWith(runDirectory);
  await tellServiceManager(environment, config.stopMs, signals, world, libc);
  const parts = { config, args, directory, signals, world };
  const statusDirectory = async () => runDirectory || await chooseRunDirectory(environment);
  return exitCode(await runWithStatus(parts, statusDirectory, bootMs), platform);
}

/** Tells a service manager that asked for it what goes on; everywhere else nothing of this is loaded. */
async function tellServiceManager(
  environment: Readonly<Record<string, string>>,
  stopMs: number,
  signals: Signals,
  world: World,
  libc: Libc,
): Promise<void> {
  const name = environment["NOTIFY_SOCKET"];
  if (!name) return;
  const { openNotifySocket } = await import("./ffi/notify.ts");
  const { tellManager } = await import("./mod/systemd.ts");
  try {
    tellManager(openNotifySocket(libc, name), environment, stopMs, signals.stopping, world);
  } catch (error) {
    world.log.warn(`Cannot use NOTIFY_SOCKET="${name}": ${messageOf(error)}; unset it`, {
      event: "config-warning",
    });
  }
}

async function findPlatform(): Promise<Platform> {
  return await files.stat("/gokrazy/init") === null ? "host" : "gokrazy";
}

async function exitWithCode(): Promise<number> {
  const signals = new Signals();
  let platform: Platform = "host";
  let defect: number | undefined;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    defect ??= sayWhy(event.reason, platform, log);
    // Nothing may be left running or mounted behind a defect: stop as if asked to.
    signals.take("SIGTERM" satisfies SignalName, performance.now());
  });
  let code: number;
  try {
    // First of all, and with no await before it: a signal of the first moment must not be missed.
    const libc = openLibc();
    listenForSignals(signals, libc);
    platform = await findPlatform();
    code = await main(signals, platform, libc);
  } catch (error) {
    code = sayWhy(error, platform, log);
  }
  await log.flush(2000);
  return defect ?? code;
}

/** This program is the wrapper, unless the wrapper has started it: to become rest-server, or to mount. */
async function inItsRole(): Promise<number> {
  const socket = Deno.env.get(LAUNCH_VARIABLE);
  const mount = Deno.env.get(MOUNT_VARIABLE);
  if (socket === undefined && mount === undefined) return await exitWithCode();
  try {
    return socket === undefined ? mountAndTell(mount!, openLibc()) : launch(socket, Deno.args);
  } catch (error) {
    const code = sayWhy(error, await findPlatform(), log);
    await log.flush(2000);
    return code;
  }
}

if (import.meta.main) Deno.exit(await inItsRole());
