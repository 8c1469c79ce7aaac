/**
 * Keeps the status file of a run, for whoever asks from outside and for the run after it.
 *
 * @module
 */
import { type Ending, EXIT, messageOf } from "./exit.ts";
import { isAlive, markProcess, type ProcessMark } from "./processes.ts";
import type { PastFailure, State } from "./progress.ts";
import {
  formatStatusRecord,
  isPidName,
  parseStatusRecord,
  statusName,
  type StatusRecord,
} from "./status_record.ts";
import type { Files, World } from "./world.ts";

/** Changes that come within this time are one write. */
const TOGETHER_MS = 100;

/** What the file is about. */
export interface Keeping {
  /** Whether a mount is configured: then there is no file before the target is known, and locked. */
  readonly mounts: boolean;
  /** Chooses where the file lies; fails where nothing can be written. */
  readonly directory: () => Promise<string>;
  /** Resolves with how the run ended, with `null` after a defect. */
  readonly ending: Promise<Ending | null>;
  /** Milliseconds since boot. */
  readonly now: () => number;
  readonly world: Pick<World, "clock" | "files" | "log" | "pid" | "progress">;
}

/** How a run ended, where that was not clean. */
export function uncleanEnd(ending: Ending | null): string | null {
  if (ending === null) return "a defect of restic-rest-server";
  switch (ending.kind) {
    case "stopped":
      return null;
    case "exited":
      return ending.code === 0 ? null : `rest-server ended with exit code ${ending.code}`;
    case "killed":
      return `rest-server was ended by ${ending.signal}`;
    case "failed":
      // The table is written for the README, too, where names are code.
      return EXIT[ending.failure].when.replaceAll("`", "");
  }
}

/** Others may read it, and find it whole or not at all. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await Deno.writeTextFile(temporary, text);
    await Deno.chmod(temporary, 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

async function readRecord(path: string, files: Files): Promise<StatusRecord | undefined> {
  try {
    return parseStatusRecord(await files.readText(path));
  } catch {
    return undefined;
  }
}

class StatusFile {
  /** What the runs before this one left. */
  #past: Pick<StatusRecord, "restarts" | "failure"> = { restarts: 0, failure: null };
  #path: string | undefined;
  #mark: ProcessMark | undefined;

  constructor(readonly keeping: Keeping) {}

  async write(state: State, ended: string | null): Promise<void> {
    const { world } = this.keeping;
    const path = await this.#begin(state.target);
    this.#mark ??= await markProcess(world.pid, world) ?? { pid: world.pid, startTime: "" };
    const failure = state.failure ?? this.#past.failure;
    const { restarts } = this.#past;
    const record = { ...state, wrapper: this.#mark, restarts, failure, ended };
    await replaceFile(path, formatStatusRecord(record));
  }

  /** The last word: none after a clean end. */
  async end(state: State, ending: Ending | null): Promise<void> {
    const { now, world } = this.keeping;
    const path = await this.#begin(state.target);
    const owner = (await readRecord(path, world.files))?.wrapper;
    // The lock is free by now: the next run may have begun.
    if (owner !== undefined && owner.pid !== world.pid && await isAlive(owner, world)) return;
    const end = uncleanEnd(ending);
    if (end === null) return await Deno.remove(path).catch(() => {});
    const told = ending?.kind === "failed" ? state.failure : null;
    await this.write({ ...state, failure: told ?? { text: end, atMs: now() } }, end);
  }

  /** Takes over what an earlier run left under this name, or those without a mount under theirs. */
  async #begin(target: string | null): Promise<string> {
    if (this.#path !== undefined) return this.#path;
    const { world } = this.keeping;
    const directory = await this.keeping.directory();
    const own = await statusName(target, world.pid);
    const others = target === null ? (await world.files.list(directory)).filter(isPidName) : [];
    for (const name of new Set([...others, own])) {
      const left = await readRecord(`${directory}/${name}`, world.files);
      if (left === undefined || await isAlive(left.wrapper, world)) continue;
      this.#past = { restarts: left.restarts + 1, failure: this.#failureOf(left) };
      if (name !== own) await Deno.remove(`${directory}/${name}`).catch(() => {});
    }
    return this.#path = `${directory}/${own}`;
  }

  /** One that was killed could not say so. */
  #failureOf({ ended, failure, wrapper }: StatusRecord): PastFailure | null {
    if (ended !== null) return failure;
    const text = `the run before, process ${wrapper.pid}, ended without a word: killed, or crashed`;
    return { text, atMs: this.keeping.now() };
  }
}

/**
 * Keeps the file until the run has ended; then it is removed, or says how the run ended if that was not
 * clean. A file that cannot be written is one warning.
 */
export async function keepStatus(keeping: Keeping): Promise<void> {
  const { ending, mounts, world: { clock, log, progress } } = keeping;
  const file = new StatusFile(keeping);
  const over = new AbortController();
  let changed = Promise.withResolvers<void>();
  progress.listen(() => changed.resolve());
  void ending.then(() => {
    over.abort();
    changed.resolve();
  });
  let warned = false;
  const attempt = async (act: () => Promise<void>) => {
    // Until the target is locked, the file under its name is another run's.
    if (mounts && progress.state.target === null) return;
    try {
      await act();
    } catch (error) {
      const why = messageOf(error);
      const line = `Cannot keep a status file: ${why}; serving goes on without`;
      if (!warned) log.warn(line, { event: "file-failed", why });
      warned = true;
    }
  };
  // Before anything is written: a run can be over by now.
  await Promise.resolve();
  while (!over.signal.aborted) {
    await attempt(() => file.write(progress.state, null));
    await changed.promise;
    await clock.sleep(TOGETHER_MS, over.signal);
    changed = Promise.withResolvers();
  }
  const end = await ending;
  await attempt(() => file.end(progress.state, end));
}
