/**
 * The verbs: what is answered in place of serving. Loaded only where one is asked for.
 *
 * @module
 */
import { answer, print } from "./answer.ts";
import { mergeSettings, parseConfig } from "./config.ts";
import { type Command, helpText } from "./help.ts";
import { sayWhy } from "./last_words.ts";
import { parseServerArgs } from "./server_args.ts";
import type { Signals } from "./signals.ts";
import type { World } from "./world.ts";

/** Who asks, and what a verb needs beside the world. */
export interface Asker {
  readonly environment: Readonly<Record<string, string>>;
  readonly signals: Signals;
  readonly world: World;
  readonly ownVersion: () => Promise<string>;
  /** The kernel's version of Landlock; 0: none. */
  readonly landlock: () => number;
  /** Changes the form of the log. */
  readonly setLogFormat: (format: "text" | "json") => void;
}

/**
 * Answers a verb.
 *
 * @returns the exit code.
 */
export async function answerVerb({ verb, args }: Command, asker: Asker): Promise<number> {
  const { environment, world } = asker;
  switch (verb) {
    case "check":
      return await answerCheck(args, "verb", asker);
    case "status":
      return await answerStatus(args, environment, world);
    case "help":
      return await withServers(`${helpText()}\n`, args[0] ?? "--help", asker);
    case "version": {
      const text = `restic-rest-server ${await asker.ownVersion()} (Deno ${Deno.version.deno})\n`;
      return await withServers(text, args[0] ?? "--version", asker);
    }
  }
}

/** What a start would find, in place of serving. */
export async function answerCheck(
  args: readonly string[],
  by: "verb" | "variable",
  { environment, signals, world, ownVersion, landlock, setLogFormat }: Asker,
): Promise<number> {
  const [{ check }, version] = await Promise.all([import("./check.ts"), ownVersion()]);
  const options = { args, by, environment, version, landlock: landlock(), setLogFormat };
  return await check(options, signals, world);
}

/** Whether runs of this program serve; the same exit codes everywhere, for there is no supervisor above it. */
async function answerStatus(
  args: readonly string[],
  environment: Asker["environment"],
  world: World,
): Promise<number> {
  const { showStatus } = await import("./status.ts");
  try {
    return await showStatus(args, environment, (text) => print(text, world), world);
  } catch (error) {
    return sayWhy(error, "host", world.log);
  }
}

/** Our answer, then rest-server's own; nothing else of the configuration is read. */
async function withServers(
  text: string,
  flag: string,
  { environment, signals, world }: Asker,
): Promise<number> {
  const settings = mergeSettings({ MNT_SERVER: environment["MNT_SERVER"] ?? "" });
  const { server } = parseConfig(settings, parseServerArgs([]), "/");
  return await answer(text, server, [flag], signals, world);
}
