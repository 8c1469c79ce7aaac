/**
 * `check`: everything that a start would do, short of mounting and starting, and what it would find. Nothing
 * is changed: no mount, no directory, no lock, no socket.
 *
 * @module
 */
import { adviseMount, adviseServer } from "./advice.ts";
import { type Config, type MountConfig, readConfig, type Settings } from "./config.ts";
import type { ConfigFiles } from "./config_directory.ts";
import { type Finding, findingsOf, maskReport, type Report } from "./findings.ts";
import { inspectDisk } from "./inspect_disk.ts";
import { inspectLock } from "./inspect_lock.ts";
import { inspectMount } from "./inspect_mount.ts";
import { describeSandbox, describeUser } from "./inspect_sandbox.ts";
import { inspectFiles, inspectListen, inspectProgram } from "./inspect_server.ts";
import type { LockRecord } from "./lock.ts";
import { shownArguments, shownSettings } from "./origins.ts";
import { readTextIfAny } from "./paths.ts";
import { findSecrets } from "./secrets.ts";
import { parseServerArgs, resolvePath } from "./server_args.ts";
import type { ProgramOutput, World } from "./world.ts";

/** What is looked at. */
export interface Question {
  /** Of this program. */
  readonly version: string;
  readonly settings: Settings;
  readonly files: ConfigFiles | undefined;
  /** Faults that kept settings from being read at all. */
  readonly problems: readonly string[];
  /** rest-server's arguments on the command line. */
  readonly args: readonly string[];
  /** The working directory. */
  readonly directory: string;
  /** The kernel's version of Landlock; 0: none. */
  readonly landlock: number;
  /** Where lock files can be. */
  readonly runDirectories: readonly string[];
}

/** The same answer to the same question: blkid is asked more than once, and disks are slow. */
function rememberingPrograms(world: World): World {
  const answers = new Map<string, Promise<ProgramOutput>>();
  return {
    ...world,
    programs: {
      ...world.programs,
      output(program, args, limitMs, stop) {
        const question = JSON.stringify([program, ...args]);
        const answer = answers.get(question) ?? world.programs.output(program, args, limitMs, stop);
        answers.set(question, answer);
        return answer;
      },
    },
  };
}

/** rest-server's own default of `--path`. */
const DEFAULT_PATH = "/tmp/restic";

const CAP_SYS_ADMIN = 21n;

/** Whether this process has CAP_SYS_ADMIN, by `/proc/self/status`. */
async function mayMount(world: World): Promise<boolean> {
  const status = await readTextIfAny("/proc/self/status", world.files) ?? "";
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${mask}`) >> CAP_SYS_ADMIN & 1n) === 1n;
}

function configFindings(
  settings: Settings,
  problems: readonly string[],
  warnings: readonly string[],
): Finding[] {
  const { ok, warning, failure } = findingsOf("configuration");
  const set = [...settings.values()].filter(({ value }) => value !== "").length;
  return [
    ...problems.map((message) => failure("variables", { message, kind: "configuration" })),
    ...warnings.map((text) => warning("variables", text)),
    ...problems.length === 0 ? [ok("variables", `${set} variables are set, and can be used`)] : [],
  ];
}

const hasMount = (config: Config): config is Config & { mount: MountConfig } =>
  config.mount !== null;

/**
 * Looks at everything.
 *
 * @throws the reason of `signal`.
 */
export async function inspect(
  question: Question,
  outside: World,
  signal: AbortSignal,
): Promise<Report> {
  const world = rememberingPrograms(outside);
  const { settings, files, directory } = question;
  const args = [...files?.args ?? [], ...question.args];
  const server = parseServerArgs(args);
  const { config, problems, mountWanted } = readConfig(settings, server, directory);
  const findings = configFindings(settings, [...question.problems, ...problems], config.warnings);

  const program = inspectProgram(config.server, world, signal);
  const disk = await inspectDisk(config, world, signal);
  signal.throwIfAborted();
  findings.push(...disk.findings);

  let view: string | null = null;
  let running: LockRecord | undefined;
  let mount: Report["mount"] = null;
  if (hasMount(config)) {
    const report = await inspectMount(config, disk.found, await mayMount(world), world);
    const other = await inspectLock(report.target, question.runDirectories, world);
    findings.push(...report.findings, other.finding);
    findings.push(...adviseMount(config, disk.found?.fstype ?? config.mount.fstype));
    ({ mount, view } = report);
    running = other.record;
  } else if (!mountWanted) {
    const { warning } = findingsOf("mount");
    const text = "no mount is configured: rest-server would run without one, and without a sandbox";
    findings.push(warning("command", text, "set MNT_SOURCE and MNT_TARGET"));
  }

  const path = resolvePath(server.path ?? DEFAULT_PATH, directory);
  const shows = { target: config.mount?.target ?? null, shows: view };
  findings.push(
    await program,
    ...await inspectFiles(server, path, directory, shows, world),
    await inspectListen(server.listen, directory, running, world),
    ...adviseServer(args, {
      platform: world.platform,
      socketActivated: world.socketActivated,
      mounted: mountWanted,
    }),
    describeUser(config, world.root),
    describeSandbox(config, server, directory, question.landlock),
  );
  signal.throwIfAborted();
  const known = findSecrets([...[...settings.values()].map(({ value }) => value), ...args]);
  return maskReport({
    version: question.version,
    platform: world.platform,
    settings: shownSettings(settings),
    arguments: shownArguments(files, question.args),
    devices: disk.devices,
    mount,
    findings,
  }, known);
}
