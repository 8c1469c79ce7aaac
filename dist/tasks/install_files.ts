/**
 * The files of an install on the disk: put there, written down, and removed again.
 *
 * @module
 */
import { DistError, fileDigest } from "../gokrazy/image.ts";
import { CommandError, runCommand } from "../tools/command.ts";
import {
  type InstallRecord,
  type Layout,
  layoutOf,
  parsePrefix,
  parseRecord,
  stepFor,
} from "./install_plan.ts";

const EXIT_USAGE = 64;

/** One file to install. */
export interface Item {
  /** Where it is now. */
  readonly from: string;
  readonly to: string;
  readonly mode: number;
  /** Somebody's own settings are kept. */
  readonly config?: boolean;
}

/** Takes one line that says what is done. */
export type Say = (line: string) => void;

async function digestIfAny(path: string): Promise<string | undefined> {
  return await fileDigest(path, "sha256", "hex").catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
}

/** The record of an earlier install; an empty one where there was none. */
export async function readRecord({ record }: Layout): Promise<InstallRecord> {
  try {
    return parseRecord(await Deno.readTextFile(record));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { files: {}, directories: [] };
    if (!(error instanceof SyntaxError)) throw error;
    throw new DistError(`"${record}" cannot be used: ${error.message}; move it away`);
  }
}

/** Removes a file unless somebody has changed it. */
export async function removeFile(path: string, digest: string, say: Say): Promise<void> {
  const there = await digestIfAny(path);
  if (there === undefined) return say(`${path}: was not there any more`);
  if (there !== digest) return say(`${path}: left, for it was changed`);
  await Deno.remove(path);
  say(`${path}: removed`);
}

/** Puts files where they belong, and keeps the record of them. */
export class Installer {
  /** What an earlier install has put there, less what this one has come to. */
  readonly #before: Record<string, string>;
  readonly #files: Record<string, string> = {};
  readonly #directories: string[];
  readonly #say: Say;

  constructor(before: InstallRecord, say: Say) {
    this.#before = { ...before.files };
    this.#directories = [...before.directories];
    this.#say = say;
  }

  /** Of an install that was cut short, too. */
  get record(): InstallRecord {
    return { files: { ...this.#before, ...this.#files }, directories: this.#directories };
  }

  async install(item: Item): Promise<void> {
    const { from, to, mode, config = false } = item;
    const wanted = await fileDigest(from, "sha256", "hex");
    const installed = this.#before[to];
    const step = stepFor({ there: await digestIfAny(to), wanted, installed }, config);
    if (step === "own") return this.#leave(to, wanted);
    if (step === "keep") return await this.#keep(item, wanted);
    if (step === "replace") {
      const kept = await freeName(`${to}.old`);
      await Deno.rename(to, kept);
      this.#say(`${to}: another one was there; it is ${kept} now`);
    }
    this.#files[to] = wanted;
    if (step !== "same") await this.#put(from, to, mode);
    const words = { new: "new", same: "unchanged", update: "updated", replace: "new" };
    this.#say(`${to}: ${words[step]}`);
  }

  /** New settings come beside those that somebody made. */
  async #keep({ from, to, mode }: Item, wanted: string): Promise<void> {
    const beside = `${to}.new`;
    await this.#put(from, beside, mode);
    Object.assign(this.#files, { [to]: wanted, [beside]: wanted });
    this.#say(`${to}: kept, for it was changed; what this version brings is ${beside}`);
  }

  /** Nothing new has come for settings that somebody made; what came before may still lie beside them. */
  #leave(to: string, wanted: string): void {
    const beside = `${to}.new`;
    const waiting = this.#before[beside];
    Object.assign(this.#files, { [to]: wanted, ...waiting && { [beside]: waiting } });
    this.#say(`${to}: kept, for it was changed`);
  }

  /** Removes what an earlier install has put there, and this one has not. */
  async removeRest(): Promise<void> {
    for (const [path, digest] of Object.entries(this.#before)) {
      if (!(path in this.#files)) await removeFile(path, digest, this.#say);
      delete this.#before[path];
    }
  }

  /** Makes a directory and its parents, and remembers which of them were not there. */
  async makeDirectory(path: string): Promise<void> {
    if (path === "" || await Deno.stat(path).catch(() => null) !== null) return;
    await this.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    await Deno.mkdir(path, { mode: 0o755 });
    this.#directories.push(path);
  }

  /** Under its name at once and whole, whoever runs the old one. */
  async #put(from: string, to: string, mode: number): Promise<void> {
    await this.makeDirectory(to.slice(0, to.lastIndexOf("/")));
    const temporary = `${to}.part`;
    await Deno.copyFile(from, temporary);
    await Deno.chmod(temporary, mode);
    await Deno.rename(temporary, to);
  }
}

async function freeName(name: string): Promise<string> {
  for (let i = 1;; i++) {
    const candidate = i === 1 ? name : `${name}${i}`;
    if (await Deno.lstat(candidate).catch(() => null) === null) return candidate;
  }
}

/** Whether a running systemd looks for the units there. */
export async function isManaged({ system }: Layout): Promise<boolean> {
  return system && await Deno.stat("/run/systemd/system").catch(() => null) !== null;
}

/** systemctl's answer to a question such as `is-active`. */
export async function unitIs(question: string, unit: string): Promise<boolean> {
  const asked = runCommand("systemctl", [question, "--quiet", unit]);
  return await asked.then(() => true, () => false);
}

/** Runs a task with a prefix, and says its errors in a line each; gives the exit code. */
export async function runTask(
  name: string,
  args: readonly string[],
  task: (layout: Layout, say: Say) => Promise<void>,
): Promise<number> {
  let layout: Layout;
  try {
    layout = layoutOf(parsePrefix(args));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`${error.message}\nUsage: deno task ${name} [--prefix DIR]`);
    return EXIT_USAGE;
  }
  try {
    await task(layout, (line) => console.log(`${name}: ${line}`));
    return 0;
  } catch (error) {
    const ofFile = typeof (error as { code?: unknown } | null)?.code === "string";
    const known = ofFile || error instanceof DistError || error instanceof CommandError;
    if (!known) throw error;
    const denied = error instanceof Deno.errors.PermissionDenied;
    const hint = denied ? "; become root, or give a --prefix of your own" : "";
    console.error(`Cannot ${name}: ${(error as Error).message}${hint}`);
    return 1;
  }
}
