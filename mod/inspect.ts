/**
 * `check`: everything that a start would do, short of mounting and starting, and what it would find. Nothing
 * is changed: no mount, no directory, no lock, no socket.
 *
 * @module
 */
import { adviseMount } from "./advice.ts";
import { limited } from "./announce.ts";
import { readConfig, type Settings } from "./config.ts";
import type { ConfigFiles } from "./config_directory.ts";
import { type Area, type Finding, findingsOf, maskReport, type Report } from "./findings.ts";
import { inspectDisk } from "./inspect_disk.ts";
import { inspectLock } from "./inspect_lock.ts";
import { inspectMount, type MountReport } from "./inspect_mount.ts";
import { inspectProgram } from "./inspect_server.ts";
import { inspectService } from "./inspect_service.ts";
import type { LockRecord } from "./lock.ts";
import { shownArguments, shownSettings } from "./origins.ts";
import { secretsOf } from "./secrets.ts";
import { parseServerArgs } from "./server_args.ts";
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

/** So long a disk or a server behind a path may take to answer; a disk may have to spin up first. */
const ANSWER_LIMIT_MS = 30_000;
/** blkid has a limit of its own within. */
const DISK_LIMIT_MS = 60_000;

/** What stands for the findings of an area that could not be looked at. */
function hanging(area: Area, name: string, what: string, limitMs = ANSWER_LIMIT_MS): Finding {
  const text = `${what} does not answer within ${limitMs / 1000} s`;
  const cure = "see the kernel log; check the disk, its cable and power supply, or the server";
  return findingsOf(area).missing(name, text, cure);
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
  const unread = [hanging("disk", "source", "a disk", DISK_LIMIT_MS)];
  const disk = await limited(
    inspectDisk(config, world, signal),
    DISK_LIMIT_MS,
    () => ({ findings: unread, devices: [], found: null }),
    world.clock,
  );
  signal.throwIfAborted();
  findings.push(...disk.findings);

  let mount: MountReport | null = null;
  let running: LockRecord | undefined;
  if (config.mount !== null) {
    const { target, fstype } = config.mount;
    const look = inspectMount(config.mount, disk.found, world);
    mount = await limited<MountReport | null>(look, ANSWER_LIMIT_MS, () => null, world.clock);
    const other = await inspectLock(mount?.target ?? target, question.runDirectories, world);
    running = other.record;
    findings.push(
      ...mount?.findings ?? [hanging("mount", "target", `"${target}", or what is mounted there,`)],
      other.finding,
      ...adviseMount(config, disk.found?.fstype ?? fstype, world.platform),
    );
  } else if (!mountWanted) {
    const { warning } = findingsOf("mount");
    const text = "no mount is configured: rest-server would run without one, and without a sandbox";
    findings.push(warning("command", text, "set MNT_SOURCE and MNT_TARGET"));
  }
  const view = { target: config.mount?.target ?? null, shows: mount?.view ?? null };
  findings.push(
    await program,
    ...await limited(
      inspectService({ ...question, ...read, args }, view, running, world),
      ANSWER_LIMIT_MS,
      () => [hanging("server", "files", "what holds the files of rest-server")],
      world.clock,
    ),
  );
  signal.throwIfAborted();
  const variables = Array.from(settings, ([name, { value }]) => [name, value] as const);
  const known = secretsOf(variables, args);
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
