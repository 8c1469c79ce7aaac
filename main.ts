/**
 * restic-rest-server: mounts a disk, runs restic's rest-server on it, and takes both down in order.
 *
 * Here the program meets the world: the real edges are made and handed down to {@linkcode run}.
 *
 * @module
 */
import { libcFileLocks, openKernelLog } from "./ffi/files.ts";
import { landlockVersion } from "./ffi/landlock.ts";
import { type Libc, openLauncherLibc, openLibc } from "./ffi/libc.ts";
import { releaseMemory } from "./ffi/memory.ts";
import { launch } from "./ffi/launch.ts";
import { libcLauncher, type SelfCommand } from "./ffi/launcher.ts";
import { libcMounter } from "./ffi/mount.ts";
import { libcProcesses } from "./ffi/processes.ts";
import { dropSignal, ignoreSignal } from "./ffi/signals.ts";
import { answer, print } from "./mod/answer.ts";
import { ConfigError, mergeSettings, parseConfig, wantsCheck } from "./mod/config.ts";
import { readConfigDirectory } from "./mod/config_directory.ts";
import * as edges from "./mod/edges.ts";
import { cleanEnvironment, unreadableVariables } from "./mod/environment.ts";
import { type Ending, EXIT, exitCode, Failure, messageOf, type Platform } from "./mod/exit.ts";
import { type Command, helpText, parseVerb, type Verb } from "./mod/help.ts";
import { LAUNCH_VARIABLE } from "./mod/launch.ts";
import { type SignalName, SIGNALS } from "./mod/linux.ts";
import { createLog, stderrOutlet } from "./mod/log.ts";
import { Progress, stateFacts } from "./mod/progress.ts";
import { type Run, run } from "./mod/run.ts";
import { chooseRunDirectory } from "./mod/run_directory.ts";
import { findSecrets, variableTexts } from "./mod/secrets.ts";
import { parseServerArgs } from "./mod/server_args.ts";
import { FORWARDED_SIGNALS, maskHolds, Signals } from "./mod/signals.ts";
// Not later: Deno panics where it compiles a module and no descriptor is left.
import { keepStatus } from "./mod/status_file.ts";
import type { World } from "./mod/world.ts";

const log = createLog((bytes) => Deno.stderr.write(bytes), edges.clock, stderrOutlet());

/**
 * Takes every signal of the table. A SIGHUP that was ignored at start, as by nohup(1), stays ignored, and
 * SIGUSR1 does nothing: half a second after its start Deno would open a debugger on it, for anybody here.
 */
function listenForSignals(signals: Signals, libc: Libc): void {
  const status = Deno.readTextFileSync("/proc/self/status");
  const ignored = maskHolds(status, "SigIgn", SIGNALS.SIGHUP) ? "SIGHUP" : undefined;
  for (const { name } of FORWARDED_SIGNALS) {
    if (name === ignored) continue;
    Deno.addSignalListener(name as Deno.Signal, () => signals.take(name, performance.now()));
  }
  dropSignal(libc, "SIGUSR1");
  if (ignored !== undefined) ignoreSignal(libc, ignored);
}

/** How the launcher is started: this very program, with the variables that Deno had when it started. */
function selfCommand(environment: Readonly<Record<string, string>>): SelfCommand {
  const script = ["run", "--quiet", "--allow-all", "--no-code-cache", import.meta.filename!];
  const deno = Object.entries(environment).filter(([name]) => name.startsWith("DENO_"));
  return {
    command: [Deno.execPath(), ...Deno.build.standalone ? [] : script],
    variables: Object.fromEntries(deno),
  };
}

/** A clock that runs on while nobody has set the other one yet, as on a gokrazy before NTP. */
const bootMs = () => Deno.osUptime() * 1000;

function makeWorld(
  platform: Platform,
  runDirectory: string,
  self: SelfCommand,
  libc: Libc,
): World {
  const progress = new Progress(bootMs, log.shown);
  const tellLog = () => log.note(stateFacts(progress.state));
  tellLog();
  progress.listen(tellLog);
  return {
    platform,
    root: Deno.uid() === 0,
    pid: Deno.pid,
    runDirectory,
    path: Deno.env.get("PATH") ?? "",
    socketActivated: Deno.env.get("LISTEN_PID") === String(Deno.pid),
    log,
    progress,
    ...edges,
    launcher: libcLauncher(libc, edges.programs, self),
    mounter: libcMounter(libc),
    locks: libcFileLocks(libc),
    processes: libcProcesses(libc),
    openKernelLog: () => openKernelLog(libc),
    releaseMemory: () => releaseMemory(libc),
  };
}

async function ownVersion(): Promise<string> {
  return (await import("./deno.json", { with: { type: "json" } })).default.version;
}

async function answerText(verb: Verb): Promise<string> {
  if (verb === "help") return `${helpText()}\n`;
  return `restic-rest-server ${await ownVersion()} (Deno ${Deno.version.deno})\n`;
}

/** Our answer to a verb, then rest-server's own; nothing else of the configuration is read. */
async function answerVerb(
  { verb, args: [flag] }: Command,
  environment: Readonly<Record<string, string>>,
  signals: Signals,
  platform: Platform,
  libc: Libc,
): Promise<number> {
  const settings = mergeSettings({ MNT_SERVER: environment["MNT_SERVER"] ?? "" });
  const config = parseConfig(settings, parseServerArgs([]), "/");
  const world = makeWorld(platform, "", selfCommand(environment), libc);
  return await answer(await answerText(verb), config.server, [flag ?? `--${verb}`], signals, world);
}

/** What a start would find, in place of serving. */
async function answerCheck(
  args: readonly string[],
  by: "verb" | "variable",
  environment: Readonly<Record<string, string>>,
  signals: Signals,
  world: World,
): Promise<number> {
  const [{ check }, version] = await Promise.all([import("./mod/check.ts"), ownVersion()]);
  const landlock = landlockVersion(openLauncherLibc());
  const { setFormat: setLogFormat } = log;
  const options = { args, by, environment, version, landlock, setLogFormat };
  return await check(options, signals, world);
}

/** Whether runs of this program serve; the same exit codes everywhere, for there is no supervisor above it. */
async function answerStatus(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  world: World,
): Promise<number> {
  const { showStatus } = await import("./mod/status.ts");
  try {
    return await showStatus(args, environment, (text) => print(text, world), world);
  } catch (error) {
    return explain(error, "host");
  }
}

/** From so long after the start on there is a status file: it is not to make the start longer. */
const STATUS_AFTER_MS = 1000;

/** Runs, and keeps the status file beside it. */
async function runWithStatus(
  parts: Run,
  environment: Readonly<Record<string, string>>,
): Promise<Ending> {
  const { config, world } = parts;
  const over = new AbortController();
  const running = run(parts).finally(() => over.abort());
  const ending = running.catch(() => null);
  const keep = async () => {
    await edges.clock.sleep(STATUS_AFTER_MS, over.signal);
    // A short run that went well has nothing to tell.
    if (over.signal.aborted && (await ending)?.kind === "stopped") return;
    const directory = async () => world.runDirectory || await chooseRunDirectory(environment);
    const mounts = config.mount !== null;
    await keepStatus({ mounts, directory, ending, now: bootMs, world });
  };
  const keeping = keep()
    .catch((error) => {
      const why = messageOf(error);
      world.log.warn(`Cannot keep a status file: ${why}`, { event: "file-failed", why });
    });
  try {
    return await running;
  } finally {
    await Promise.race([keeping, edges.clock.sleep(2000)]);
  }
}

/** Leaves nothing of this program and of Deno in the environment that is handed on. */
function resetEnvironment(environment: Readonly<Record<string, string>>): void {
  const change = cleanEnvironment(environment);
  for (const name of change.remove) Deno.env.delete(name);
  if (change.path !== undefined) Deno.env.set("PATH", change.path);
}

/** From now on no line and no state shows what is secret in these. */
function hideSecretsOf(variables: Readonly<Record<string, string>>, args: readonly string[]) {
  const values = Object.entries(variables).flatMap(([name, value]) =>
    name.startsWith("MNT_") ? variableTexts(name, value) : []
  );
  log.hide(findSecrets([...values, ...args]));
}

async function main(signals: Signals, platform: Platform, libc: Libc): Promise<number> {
  const environment = Deno.env.toObject();
  // Before anything can fail; a value that it does not take is reported below, as text.
  if (environment["MNT_LOG"] === "json") log.setFormat("json");
  hideSecretsOf(environment, Deno.args);
  const command = parseVerb(Deno.args);
  resetEnvironment(environment);
  const checkWorld = () => makeWorld(platform, "", selfCommand(environment), libc);
  if (command?.verb === "check") {
    return await answerCheck(command.args, "verb", environment, signals, checkWorld());
  }
  if (command?.verb === "status") {
    return await answerStatus(command.args, environment, checkWorld());
  }
  if (command !== undefined) {
    return await answerVerb(command, environment, signals, platform, libc);
  }
  const answerLogged = () => answerCheck(Deno.args, "variable", environment, signals, checkWorld());
  // Before anything of the configuration can fail: its faults are findings then.
  if (environment["MNT_CHECK"] === "1") return await answerLogged();
  const unreadable = unreadableVariables(Deno.readFileSync("/proc/self/environ"));
  if (unreadable.length > 0) {
    throw new ConfigError(unreadable.map((name) => `Cannot use ${name}: its value is not UTF-8`));
  }
  const fromFiles = environment["MNT_CONFIG_DIR"]
    ? await readConfigDirectory(environment["MNT_CONFIG_DIR"], edges.files)
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
  const world = makeWorld(platform, runDirectory, selfCommand(environment), libc);
  await tellServiceManager(environment, config.stopMs, signals, world, libc);
  const parts = { config, args, directory, signals, world };
  return exitCode(await runWithStatus(parts, environment), platform);
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

/** What went wrong, said in the way it deserves: a user's mistake in a line, a defect with its stack. */
function explain(error: unknown, platform: Platform): number {
  if (error instanceof ConfigError) {
    const exit_code = EXIT.configuration[platform];
    const facts = { event: "failed", kind: "configuration", exit_code } as const;
    for (const problem of error.problems) log.error(problem, facts);
    return exit_code;
  }
  if (error instanceof Failure) {
    const { kind, message } = error;
    const exit_code = EXIT[kind][platform];
    log.error(message, { event: "failed", kind, exit_code });
    return exit_code;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  const [what, ...stack] = text.split("\n");
  const exit_code = EXIT.defect[platform];
  log.error(`this is a defect of restic-rest-server, please report it: ${what}`, {
    event: "defect",
    exit_code,
    ...(stack.length === 0 ? {} : { stack: stack.join("\n") }),
  });
  return exit_code;
}

async function findPlatform(): Promise<Platform> {
  return await edges.files.stat("/gokrazy/init") === null ? "host" : "gokrazy";
}

async function exitWithCode(): Promise<number> {
  const signals = new Signals();
  let platform: Platform = "host";
  let defect: number | undefined;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    defect ??= explain(event.reason, platform);
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
    code = explain(error, platform);
  }
  await log.flush(2000);
  return defect ?? code;
}

/** This program is the wrapper, unless the wrapper has started it to become rest-server. */
async function inItsRole(): Promise<number> {
  const socket = Deno.env.get(LAUNCH_VARIABLE);
  if (socket === undefined) return await exitWithCode();
  try {
    return launch(socket, Deno.args);
  } catch (error) {
    const code = explain(error, await findPlatform());
    await log.flush(2000);
    return code;
  }
}

if (import.meta.main) Deno.exit(await inItsRole());
