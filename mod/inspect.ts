/**
 * `check`: everything that a start would do, short of mounting and starting, and what it would find. Nothing
 * is changed: no mount, no directory, no lock, no socket.
 *
 * @module
 */
import { adviseMount, adviseServer } from "./advice.ts";
import { type ReadConfig, readConfig, type Settings } from "./config.ts";
import type { ConfigFiles } from "./config_directory.ts";
import { type Finding, findingsOf, maskReport, type Report } from "./findings.ts";
import { inspectDisk } from "./inspect_disk.ts";
import { inspectLock } from "./inspect_lock.ts";
import { inspectMount, type MountReport } from "./inspect_mount.ts";
import { describeSandbox, describeUser } from "./inspect_sandbox.ts";
import {
  inspectFiles,
  inspectListen,
  inspectProgram,
  inspectWrites,
  type View,
} from "./inspect_server.ts";
import { inspectAccess } from "./inspect_user.ts";
import type { LockRecord } from "./lock.ts";
import { isBelow } from "./mountinfo.ts";
import { shownArguments, shownSettings } from "./origins.ts";
import { findSecrets } from "./secrets.ts";
import { parseServerArgs, resolvePath, serverFiles } from "./server_args.ts";
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

/** What rest-server will be, do and may do. */
async function inspectService(
  { directory, landlock }: Question,
  { config, mountWanted }: ReadConfig,
  args: readonly string[],
  view: View,
  running: LockRecord | undefined,
  world: World,
): Promise<Finding[]> {
  const server = parseServerArgs(args);
  const path = resolvePath(server.path ?? DEFAULT_PATH, directory);
  const { platform, socketActivated } = world;
  const mounted = config.mount === null || view.shows === view.target;
  const files = serverFiles(server, path, directory).map(({ path }) => path)
    .filter((file) => mounted || !isBelow(file, view.target!));
  return [
    ...await inspectFiles(server, path, directory, view, world),
    ...await inspectWrites(server, directory, view, world),
    await inspectListen(server.listen, directory, running, world),
    ...adviseServer(args, { platform, socketActivated, mounted: mountWanted }),
    describeUser(config, world.root),
    ...config.user === null || config.mount === null
      ? []
      : await inspectAccess(config.user, mounted ? path : null, files, world),
    describeSandbox(config, server, directory, landlock),
  ];
}

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
  const read = readConfig(settings, parseServerArgs(args), directory);
  const { config, mountWanted } = read;
  const problems = [...question.problems, ...read.problems];
  const findings = configFindings(settings, problems, config.warnings);

  const program = inspectProgram(config.server, world, signal);
  const disk = await inspectDisk(config, world, signal);
  signal.throwIfAborted();
  findings.push(...disk.findings);

  let mount: MountReport | undefined;
  let running: LockRecord | undefined;
  if (config.mount !== null) {
    mount = await inspectMount(config.mount, disk.found, world);
    const other = await inspectLock(mount.target, question.runDirectories, world);
    running = other.record;
    findings.push(...mount.findings, other.finding);
    findings.push(...adviseMount(config, mount.mount.fstype, world.platform));
  } else if (!mountWanted) {
    const { warning } = findingsOf("mount");
    const text = "no mount is configured: rest-server would run without one, and without a sandbox";
    findings.push(warning("command", text, "set MNT_SOURCE and MNT_TARGET"));
  }
  const view = { target: config.mount?.target ?? null, shows: mount?.view ?? null };
  findings.push(
    await program,
    ...await inspectService(question, read, args, view, running, world),
  );
  signal.throwIfAborted();
  const known = findSecrets([...[...settings.values()].map(({ value }) => value), ...args]);
  return maskReport({
    version: question.version,
    platform: world.platform,
    settings: shownSettings(settings),
    arguments: shownArguments(files, question.args),
    devices: disk.devices,
    mount: mount?.mount ?? null,
    findings,
  }, known);
}
