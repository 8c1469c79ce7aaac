/**
 * The demo's steps. Started by demo.ts inside a mount namespace of its own, in a process group of its own,
 * with a stdin that is closed when it is to stop: so it is told once and by one way, also when whoever
 * started it was killed.
 *
 * @module
 */
import { CommandError, runCommand } from "../tools/command.ts";
import { findTools } from "../tools/tools.ts";
import { isMounted, makeDisk } from "./demo_disk.ts";
import { copyRepository, differences } from "./demo_files.ts";
import { DemoProgram } from "./demo_program.ts";
import {
  demoEnvironment,
  type DiskKind,
  EXIT_FAILED,
  EXIT_INTERRUPTED,
  PRIVATE_RUN,
  quoted,
  resticResult,
  sizeText,
  stayText,
  stepLine,
} from "./demo_plan.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const PASSWORD = "demo";

/** A step that failed; `cause` says why. */
class StepError extends Error {
  constructor(readonly step: string, override readonly cause: unknown) {
    super(step);
  }
}

/** Prints a line; a terminal or a pipe that went away must not keep us from cleaning up. */
function say(line: string): void {
  try {
    console.log(line);
  } catch {
    // Nobody reads it.
  }
}

const sayQuoted = (line: string) => say(quoted(line));

/** Does one step and prints it with its time and result. */
async function step<T>(name: string, work: () => Promise<T>, result: (value: T) => string) {
  const started = performance.now();
  try {
    const value = await work();
    say(stepLine(name, performance.now() - started, result(value)));
    return value;
  } catch (error) {
    throw new StepError(name, error);
  }
}

/** All steps in order; what they made is taken down in the reverse order, however this ends. */
async function demo(kind: DiskKind, folder: string, stay: boolean, signal: AbortSignal) {
  const target = `${folder}/mnt`;
  const source = `${folder}/files`;
  const restored = `${folder}/restored`;
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));

  const tools = await step(
    "tools",
    () => findTools(sayQuoted, ["rest-server", "restic"], signal),
    () => "rest-server and restic are there",
  );
  const copied = await step(
    "files",
    () => copyRepository(ROOT, source),
    ({ files, bytes }) => `${files} files of this repository, ${sizeText(bytes)}`,
  );
  const disk = await step(
    "disk",
    () => makeDisk(kind, folder, target, sayQuoted, signal),
    ({ description }) => description,
  );
  cleanup.use(disk);

  let url = "";
  const program = await step("serve", async () => {
    const [mount, ...args] = PRIVATE_RUN;
    await runCommand(mount, args, { signal });
    const program = cleanup.use(
      new DemoProgram(
        `${ROOT}/main.ts`,
        ["--path", `${target}/restic`, "--no-auth", "--listen", "127.0.0.1:0"],
        demoEnvironment(Deno.env.toObject(), {
          ...disk.variables,
          MNT_TARGET: target,
          MNT_SERVER: tools["rest-server"],
          MNT_STOP: "10",
          NO_COLOR: "1",
        }),
        sayQuoted,
      ),
    );
    url = `http://${await program.ready(signal)}/`;
    if (!(await isMounted(target))) throw new Error(`nothing is mounted on ${target}`);
    return program;
  }, () => `${url} on ${target}`);

  const environment = demoEnvironment(Deno.env.toObject(), {
    RESTIC_REPOSITORY: `rest:${url}demo`,
    RESTIC_PASSWORD: PASSWORD,
  });
  // Without the second signal restic would try for a quarter of an hour to reach a server that is gone.
  const options = {
    cwd: source,
    environment,
    signal: AbortSignal.any([signal, program.ended]),
  };
  const restic = (name: string, ...args: string[]) =>
    step(name, () => runCommand(tools.restic, ["--no-cache", ...args], options), resticResult);
  await restic("init", "init");
  await restic("backup", "backup", ".");
  await restic("check", "check", "--read-data");
  await restic("restore", "restore", "latest", "--target", restored);
  await step("compare", async () => {
    const found = await differences(source, restored);
    if (found.length > 0) throw new CommandError("what came back is not what was saved", found);
  }, () => `${copied.files} files are the same, byte for byte`);

  if (stay) {
    say(stayText(url, tools.restic, PASSWORD));
    await step("stay", () => program.serveUntil(signal), () => "asked to stop");
  }
  await step("stop", () => program.stop(), () => "SIGTERM, ended with code 0");
  await step("unmounted", async () => {
    if (await isMounted(target)) throw new Error(`${target} is still mounted`);
    await disk.release();
  }, () => kind === "ext4" ? "no mount, no loop device" : "no mount");
  return `${copied.files} files (${sizeText(copied.bytes)}) backed up, checked, restored and ` +
    `compared on a mounted ${kind}; nothing is left behind`;
}

/** One line that names the step and the reason, and what was last printed. */
function failureText(error: unknown): string {
  if (error instanceof SuppressedError) {
    return `${failureText(error.suppressed)}\nCannot clean up: ${failureText(error.error)}`;
  }
  if (error instanceof StepError) {
    return `Cannot finish the demo: step "${error.step}": ${failureText(error.cause)}`;
  }
  const message = error instanceof Error ? error.message : String(error);
  const tail = error instanceof CommandError ? error.lines.slice(-10) : [];
  return [message, ...tail.map(quoted)].join("\n");
}

/** Aborted as soon as stdin is closed, or a signal comes. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => stop.abort());
  }
  Deno.stdin.readable.pipeTo(new WritableStream()).catch(() => {}).finally(() => stop.abort());
  return stop.signal;
}

async function main([kind, folder, stay]: string[]): Promise<number> {
  const started = performance.now();
  const signal = stopSignal();
  try {
    const summary = await demo(kind as DiskKind, folder!, stay === "--stay", signal);
    say(`Done in ${((performance.now() - started) / 1000).toFixed(1)} s: ${summary}`);
    return 0;
  } catch (error) {
    if (error instanceof StepError && error.cause === signal.reason) {
      say(`Interrupted in step "${error.step}"; nothing is left behind`);
      return EXIT_INTERRUPTED;
    }
    say(failureText(error));
    return EXIT_FAILED;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
