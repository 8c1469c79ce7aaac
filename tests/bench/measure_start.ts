/**
 * Start and stop, and how each of those that are compared is run.
 *
 * @module
 */
import { within } from "../support/wait.ts";
import { runnableBundle } from "../../dist/gokrazy/bundle.ts";
import { V8_FLAGS } from "../../dist/tasks/compile.ts";
import type { Figures, StartFigures } from "./results.ts";

const MAIN = new URL("../../main.ts", import.meta.url);
const WORLD = new URL("../../ffi/world.ts", import.meta.url);

/** What every measurement is about. */
export interface Setting {
  readonly server: string;
  readonly restic: string;
  readonly device: string;
  readonly uuid: string;
  readonly directory: string;
  readonly target: string;
  /** This program as it is installed: bundled to one file. */
  readonly program: string;
}

export type Compared = "bare" | "script" | "this";

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Who mounts and unmounts: the command itself, or the bench around it. */
  readonly mounts: "itself" | "script" | "before";
}

export function serverArgs({ target }: Setting): string[] {
  return ["--path", `${target}/restic`, "--no-auth", "--listen", "127.0.0.1:0"];
}

export function ownCommand(setting: Setting, args = serverArgs(setting)): Command {
  return {
    program: setting.program,
    args,
    env: {
      MNT_SOURCE: `UUID=${setting.uuid}`,
      MNT_TARGET: setting.target,
      MNT_SERVER: setting.server,
      // As the units of systemd and the program of gokrazy have it.
      DENO_V8_FLAGS: V8_FLAGS,
    },
    mounts: "itself",
  };
}

/** This program from the repository, which nobody has bundled. */
function commandFromSource(setting: Setting): Command {
  const { args, ...command } = ownCommand(setting);
  return {
    ...command,
    program: Deno.execPath(),
    args: ["run", "--allow-all", MAIN.pathname, ...args],
  };
}

/** How ffi/world.ts makes the launcher, and what stands there in a program without one. */
const LAUNCHER = "launcher: libcLauncher(libc, edges.programs, self),";
const NO_LAUNCHER = `launcher: {
      start: (args) => ({
        launch: ({ program }) => ({
          ...edges.programs.start(program, args),
          launched: Promise.resolve({ warnings: [], failure: null, executed: true }),
        }),
        dismiss: () => Promise.resolve(),
      }),
    },`;

/** The text of a module, for another folder: what it imports stays where it is. */
async function textForElsewhere(module: URL): Promise<string> {
  const text = await Deno.readTextFile(module);
  return text.replace(/"(\.\.?\/[^"]*)"/g, (_, path) => `"${new URL(path, module)}"`);
}

/** This program, but rest-server started as it is: what the launcher costs is the difference. */
async function commandWithoutLauncher(setting: Setting): Promise<Command> {
  const world = await textForElsewhere(WORLD);
  if (!world.includes(LAUNCHER)) throw new Error(`Cannot find the launcher in "${WORLD}"`);
  const folder = `${setting.directory}/without-launcher`;
  await Deno.mkdir(folder);
  const entry = `${folder}/main.ts`;
  await Deno.writeTextFile(`${folder}/world.ts`, world.replace(LAUNCHER, NO_LAUNCHER));
  const main = await textForElsewhere(MAIN);
  await Deno.writeTextFile(entry, main.replace(WORLD.href, "./world.ts"));
  const program = await runnableBundle(folder, Deno.execPath(), entry);
  return ownCommand({ ...setting, program });
}

/** The three that are compared. */
export function startCommands(setting: Setting): Readonly<Record<Compared, Command>> {
  const script = `dev=$(blkid -c /dev/null -U "$UUID") && ` +
    `mount -o nosuid,nodev,noexec,relatime "$dev" "$TARGET" && exec "$SERVER" "$@"`;
  const { server, uuid, target } = setting;
  const args = serverArgs(setting);
  return {
    bare: { program: server, args, env: {}, mounts: "before" },
    script: {
      program: "/bin/sh",
      args: ["-c", script, "script", ...args],
      env: { UUID: uuid, TARGET: target, SERVER: server },
      mounts: "script",
    },
    this: ownCommand(setting),
  };
}

export async function runTool(program: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!output.success) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(output.stderr)}`);
  }
  return new TextDecoder().decode(output.stdout).trim();
}

/** A started command that listens. */
export interface Listening {
  readonly child: Deno.ChildProcess;
  readonly url: string;
  readonly startMs: number;
  /** SIGTERM; gives the milliseconds to the end of the process. */
  stop(): Promise<number>;
}

/** Starts a command and waits for rest-server's line; all the same way, so that the wait costs the same. */
export async function startListening(
  { program, args, env }: Command,
  onText: (text: string) => void = () => {},
): Promise<Listening> {
  const beginMs = performance.now();
  const child = new Deno.Command(program, {
    args: [...args],
    env: { ...env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const listening = Promise.withResolvers<{ url: string; atMs: number }>();
  let text = "";
  const reading = (async () => {
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      onText(text);
      const address = /^start server on (\S+)$/m.exec(text)?.[1];
      if (address !== undefined) {
        listening.resolve({ url: `rest:http://${address}/`, atMs: performance.now() });
      }
    }
    listening.reject(new Error("it ended before it listened"));
  })();
  const { url, atMs } = await within(listening.promise, "a server that listens").catch((error) => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    throw new Error(`${error.message}; it said:\n${text}`);
  });
  return {
    child,
    url,
    startMs: atMs - beginMs,
    async stop() {
      const stopMs = performance.now();
      child.kill("SIGTERM");
      await child.status;
      const took = performance.now() - stopMs;
      await reading;
      return took;
    },
  };
}

/** Runs `work` on a listening command, with the mount that it needs before and after. */
export async function withListening<T>(
  setting: Setting,
  command: Command,
  work: (listening: Listening) => Promise<T>,
  begin: () => Promise<void> = async () => {},
): Promise<T & { stopMs: number }> {
  if (command.mounts === "before") await runTool("mount", setting.device, setting.target);
  await begin();
  const listening = await startListening(command);
  const result = await work(listening);
  const stopMs = await listening.stop();
  if (command.mounts !== "itself") await runTool("umount", setting.target);
  return { ...result, stopMs };
}

/** Each command once a round, one after the other. The first round warms the caches and does not count. */
export async function measureRounds(setting: Setting, rounds: number): Promise<Figures["start"]> {
  const times = (): StartFigures => ({ startMs: [], stopMs: [] });
  const commands = {
    ...startCommands(setting),
    withoutLauncher: await commandWithoutLauncher(setting),
    fromSource: commandFromSource(setting),
  };
  const names = Object.keys(commands) as (keyof typeof commands)[];
  const figures = Object.fromEntries(names.map((name) => [name, times()])) as Record<
    keyof typeof commands,
    StartFigures
  >;
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      const { startMs, stopMs } = await withListening(
        setting,
        commands[name],
        ({ startMs }) => Promise.resolve({ startMs }),
      );
      if (round === 0) continue;
      figures[name].startMs.push(startMs);
      figures[name].stopMs.push(stopMs);
    }
  }
  return figures;
}
