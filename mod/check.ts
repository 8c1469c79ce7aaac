/**
 * The verb `check`, and `MNT_CHECK=1`: reads the configuration with all its faults, looks, and prints.
 *
 * @module
 */
import { print } from "./answer.ts";
import { ConfigError, mergeSettings } from "./config.ts";
import { type ConfigFiles, readConfigDirectory } from "./config_directory.ts";
import { encodingProblems } from "./environment.ts";
import { judgeFindings, loggedExit, type Report, reportJson, VERDICT_EXIT } from "./findings.ts";
import { reportLines, reportText } from "./findings_text.ts";
import { inspect } from "./inspect.ts";
import { SIGNALS } from "./linux.ts";
import { findRunDirectories } from "./run_directory.ts";
import type { Signals } from "./signals.ts";
import { escapeJson, takesColours } from "./terminal.ts";
import type { World } from "./world.ts";

/** How the check was asked for. */
export interface CheckOptions {
  /** After the verb: `--json`, and rest-server's arguments; all of them for `MNT_CHECK=1`. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** By the verb: to stdout. By `MNT_CHECK=1`: to the log. */
  readonly by: "verb" | "variable";
  readonly version: string;
  /** The kernel's version of Landlock; 0: none. */
  readonly landlock: number;
  /** Changes the form of the log, which a file can say. */
  readonly setLogFormat: (format: "text" | "json") => void;
}

async function readFiles(
  environment: Readonly<Record<string, string>>,
  world: World,
): Promise<{ files: ConfigFiles | undefined; problems: readonly string[] }> {
  const directory = environment["MNT_CONFIG_DIR"];
  const unreadable = encodingProblems(await Deno.readFile("/proc/self/environ"));
  try {
    const files = directory ? await readConfigDirectory(directory, world.files) : undefined;
    return { files, problems: unreadable };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { files: undefined, problems: [...unreadable, ...error.problems] };
  }
}

/** Columns of a pipe. */
const PIPE_WIDTH = 100;

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return PIPE_WIDTH;
  }
}

async function show(report: Report, options: CheckOptions, world: World): Promise<number> {
  const { by, environment, args } = options;
  const verdict = judgeFindings(report.findings);
  if (by === "variable") {
    for (const { level, text } of reportLines(report)) world.log[level](text, { event: "check" });
    return loggedExit(verdict, world.platform, Boolean(environment["NOTIFY_SOCKET"]));
  }
  const terminal = Deno.stdout.isTerminal();
  const colours = takesColours(terminal, environment);
  const text = args.includes("--json")
    ? `${escapeJson(reportJson(report))}\n`
    : reportText(report, { colours, width: terminal ? terminalWidth() : PIPE_WIDTH });
  return await print(text, world) ? VERDICT_EXIT[verdict] : 1;
}

/**
 * Checks, and prints what was found.
 *
 * @returns the exit code; 128+n where signal n came first.
 */
export async function check(
  options: CheckOptions,
  signals: Signals,
  world: World,
): Promise<number> {
  const { environment } = options;
  const { files, problems } = await readFiles(environment, world);
  const stopped = Promise.withResolvers<null>();
  signals.stopping.addEventListener("abort", () => stopped.resolve(null));
  if (signals.stopping.aborted) stopped.resolve(null);
  const settings = mergeSettings(environment, files);
  if (settings.get("MNT_LOG")?.value === "json") options.setLogFormat("json");
  const question = {
    version: options.version,
    settings,
    files,
    problems,
    // rest-server knows no such flag.
    args: options.by === "verb" ? options.args.filter((arg) => arg !== "--json") : options.args,
    directory: Deno.cwd(),
    landlock: options.landlock,
    runDirectories: await findRunDirectories(environment),
  };
  const looking = inspect(question, world, signals.stopping).catch((error) => {
    if (error === signals.stopSignal) return null;
    throw error;
  });
  // A disk that hangs must not hold up Ctrl-C.
  const report = await Promise.race([looking, stopped.promise]);
  return report === null ? 128 + SIGNALS[signals.stopSignal!] : await show(report, options, world);
}
