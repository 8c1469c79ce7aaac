/**
 * Finds the rest-server and the restic that the demo, the tests and the benchmark run: in PATH, else in
 * the user's cache, else built into it with Go from the versions pinned in `go.mod`.
 *
 * @module
 */
import { CommandError, findProgram, programCandidates, runCommand } from "./command.ts";
import { textDigest } from "./digest.ts";
import { lockFolder } from "./lock_folder.ts";

/** What is needed of each tool: its Go package, and how long a build took on 2 cores. */
const TOOLS = {
  "rest-server": { package: "github.com/restic/rest-server/cmd/rest-server", aboutSeconds: 45 },
  "restic": { package: "github.com/restic/restic/cmd/restic", aboutSeconds: 90 },
} as const;

export type ToolName = keyof typeof TOOLS;
export const TOOL_NAMES = Object.keys(TOOLS) as ToolName[];

/** Takes one line that says what is done, and why. */
export type Progress = (line: string) => void;

/** The tools can be had in no way; the message names the ways to get them. */
export class ToolsError extends Error {
  override name = "ToolsError";
}

// Pure: text in, data out.

/** The folder that keeps what is built from these two files on this architecture. */
export function cacheKey(goMod: string, goSum: string, arch: string): string {
  return `${textDigest(`${goMod}\0${goSum}`).slice(0, 16)}-${arch}`;
}

/** The cache folder by the XDG rules: a relative XDG_CACHE_HOME does not count. */
export function cacheRoot(environment: Record<string, string | undefined>): string {
  const { XDG_CACHE_HOME: xdg, HOME: home } = environment;
  if (xdg?.startsWith("/")) return `${xdg}/restic-rest-server`;
  if (home?.startsWith("/")) return `${home}/.cache/restic-rest-server`;
  throw new ToolsError("Cannot keep built tools: neither HOME nor XDG_CACHE_HOME is set");
}

/** The arguments of `go` that build one tool into a file: static, and with no path of this machine in it. */
export function buildArgs(name: ToolName, output: string): string[] {
  const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false"];
  return ["build", ...flags, "-o", output, TOOLS[name].package];
}

/** What a build must not take over from the user's environment, and needs. */
const BUILD_ENVIRONMENT = { CGO_ENABLED: "0", GOWORK: "off", GOOS: "", GOARCH: "" };

/** The version in what `rest-server --version` or `restic version` prints; undefined for another program. */
export function parseToolVersion(name: ToolName, output: string): string | undefined {
  return new RegExp(`^${name} (?:.* )?v?(\\d+\\.\\d+\\.\\d+\\S*)`, "m").exec(output)?.[1];
}

/** `go version go1.26.8 linux/amd64` or go.mod's line `go 1.24.0` -> `[1, 26]`. */
export function parseGoVersion(text: string): [major: number, minor: number] | undefined {
  const match = /^go (?:version go)?(\d+)\.(\d+)/m.exec(text);
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

/** The version that go.mod pins for a tool, without the `v`. */
export function pinnedVersion(goMod: string, name: ToolName): string {
  const module = TOOLS[name].package.replace(/\/cmd\/.*/, "");
  const line = goMod.split("\n").find((line) => line.trim().startsWith(`${module} v`));
  return line?.trim().split(/\s+/)[1]?.slice(1) ?? "of an unknown version";
}

/** The one error for a machine that cannot build: why, then every way out. */
export function cannotBuild(name: ToolName, version: string, why: string, wanted: string): string {
  return `Cannot get ${name}: it is not in PATH, and it cannot be built: ${why}
  either install Go ${wanted} or newer: https://go.dev/dl, or a distribution that has it (apt install golang)
  or put ${name} ${version} in PATH: https://github.com/restic/${name}/releases` +
    (name === "rest-server" ? "\n  or name a rest-server by MNT_SERVER=/path/to/rest-server" : "");
}

// Steps: each does one thing to the world.

/** The version of a program, where it is a file that runs and is what its name says. */
async function versionOf(name: ToolName, path: string): Promise<string | undefined> {
  try {
    if (!(await Deno.stat(path)).isFile) return undefined;
    const args = name === "restic" ? ["version"] : ["--version"];
    const lines = await runCommand(path, args, { signal: AbortSignal.timeout(20_000) });
    return parseToolVersion(name, lines.join("\n"));
  } catch {
    return undefined;
  }
}

async function findInPath(name: ToolName, progress: Progress): Promise<string | undefined> {
  for (const path of programCandidates(name, Deno.env.get("PATH") ?? "")) {
    const version = await versionOf(name, path);
    if (version !== undefined) {
      progress(`${name} ${version}: ${path}`);
      return path;
    }
    if (await Deno.stat(path).then(() => true, () => false)) {
      progress(`${path} is passed over: it does not run as ${name}`);
    }
  }
}

/** The Go to build with. @throws {ToolsError} without one that is new enough. */
async function findGo(goMod: string, folder: string, cannot: (why: string) => ToolsError) {
  const go = await findProgram("go");
  if (go === undefined) throw cannot("there is no Go");
  // In the folder of go.mod, for there a newer Go may take the place of an old one by itself.
  const options = { cwd: folder, environment: { ...Deno.env.toObject(), ...BUILD_ENVIRONMENT } };
  const said = await runCommand(go, ["version"], options).catch((error: CommandError) => {
    throw cannot(`${go} does not work: ${error.lines.at(-1) ?? error.message}`);
  });
  const version = parseGoVersion(said.join("\n"));
  const wanted = parseGoVersion(goMod);
  if (version === undefined || wanted === undefined) throw cannot(`${go} says "${said.join(" ")}"`);
  if (version[0] < wanted[0] || (version[0] === wanted[0] && version[1] < wanted[1])) {
    throw cannot(`${go} is too old: ${version.join(".")}`);
  }
  return { go, version: version.join(".") };
}

/** Builds a tool under a temporary name and renames it, so that a half-written one is never found. */
async function build(name: ToolName, target: string, progress: Progress, signal?: AbortSignal) {
  const folder = import.meta.dirname!;
  const goMod = await Deno.readTextFile(`${folder}/go.mod`);
  const version = pinnedVersion(goMod, name);
  const wanted = parseGoVersion(goMod)?.join(".") ?? "of this year";
  const cannot = (why: string) => new ToolsError(cannotBuild(name, version, why, wanted));
  const { go, version: goVersion } = await findGo(goMod, folder, cannot);
  const { aboutSeconds } = TOOLS[name];
  progress(
    `${name} is not in PATH: building ${version} with Go ${goVersion}, about ${aboutSeconds} s on 2 cores`,
  );
  const temporary = `${target}.${crypto.randomUUID()}.tmp`;
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const heartbeat = setInterval(() => progress(`still building ${name}, ${seconds()} s`), 20_000);
  try {
    await runCommand(go, buildArgs(name, temporary), {
      cwd: folder,
      environment: { ...Deno.env.toObject(), ...BUILD_ENVIRONMENT },
      signal,
    });
    await Deno.rename(temporary, target);
    progress(`built ${name} ${version} in ${seconds()} s; kept as ${target}`);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw cannot(`${error.message}\n    ${error.lines.slice(-8).join("\n    ")}`);
  } finally {
    clearInterval(heartbeat);
    await Deno.remove(temporary).catch(() => {});
  }
}

async function fromCache(name: ToolName, progress: Progress, signal?: AbortSignal) {
  const [goMod, goSum] = await Promise.all(
    ["go.mod", "go.sum"].map((file) => Deno.readTextFile(`${import.meta.dirname}/${file}`)),
  );
  const key = cacheKey(goMod!, goSum!, Deno.build.arch);
  const folder = `${cacheRoot(Deno.env.toObject())}/${key}`;
  const path = `${folder}/${name}`;
  const kept = async () => {
    const version = await versionOf(name, path);
    if (version !== undefined) progress(`${name} ${version}: ${path}`);
    return version !== undefined;
  };
  if (await kept()) return path;
  await Deno.mkdir(folder, { recursive: true });
  using _lock = await lockFolder(folder, "the tools", progress, signal);
  if (await kept()) return path;
  for await (const { name: file } of Deno.readDir(folder)) {
    // What a killed build left: with the lock held, nobody else writes here.
    if (file.endsWith(".tmp")) await Deno.remove(`${folder}/${file}`);
  }
  await build(name, path, progress, signal);
  return path;
}

async function findTool(name: ToolName, progress: Progress, signal?: AbortSignal): Promise<string> {
  const named = name === "rest-server" ? Deno.env.get("MNT_SERVER") : undefined;
  if (named !== undefined) {
    const version = await versionOf(name, named);
    if (version === undefined) {
      throw new ToolsError(`MNT_SERVER="${named}" cannot be used: it does not run as rest-server`);
    }
    progress(`${name} ${version}: ${named}, from MNT_SERVER`);
    return await Deno.realPath(named);
  }
  return await findInPath(name, progress) ?? await fromCache(name, progress, signal);
}

/**
 * The absolute paths of rest-server and restic, or of the one that is asked for.
 *
 * ```ts
 * const { restic } = await findTools(console.error, ["restic"]);
 * ```
 *
 * @throws {ToolsError} that names the ways to get what is missing.
 */
export async function findTools<Name extends ToolName = ToolName>(
  progress: Progress,
  names: readonly Name[] = TOOL_NAMES as Name[],
  signal?: AbortSignal,
): Promise<Record<Name, string>> {
  const paths = {} as Record<Name, string>;
  // One after the other: each Go build alone uses all cores.
  for (const name of names) paths[name] = await findTool(name, progress, signal);
  return paths;
}

if (import.meta.main) {
  const names = Deno.args.length === 0 ? TOOL_NAMES : Deno.args as ToolName[];
  const unknown = names.find((name) => !TOOL_NAMES.includes(name));
  if (unknown !== undefined) {
    console.error(`Cannot get "${unknown}": the tools are ${TOOL_NAMES.join(" and ")}`);
    Deno.exit(64);
  }
  try {
    for (const path of Object.values(await findTools(console.error, names))) console.log(path);
  } catch (error) {
    if (!(error instanceof ToolsError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
