/**
 * What the program is doing, for whoever asks from outside: the status file and systemd.
 *
 * @module
 */
import type { CommonFacts } from "./events.ts";
import type { ProcessMark } from "./processes.ts";

/** Where the one line of flow is. */
export type Phase = "starting" | "waiting" | "mounting" | "serving" | "stopping" | "unmounting";

/** What is known at a moment. */
export interface State {
  readonly phase: Phase;
  /** When the phase began, milliseconds since boot: a clock that nobody sets, unlike that of a gokrazy before NTP. */
  readonly sinceMs: number;
  /** One line for people: `waiting for UUID=...: no such disk`. */
  readonly text: string;
  /** As `MNT_SOURCE` has it, its secrets hidden; `null` without a mount, as with all that follows of the mount. */
  readonly source: string | null;
  /** Without symlinks. */
  readonly target: string | null;
  readonly fstype: string | null;
  /** What is or was mounted, first what mount(2) was given. */
  readonly devices: readonly string[];
  /** rest-server, while it runs. */
  readonly server: ProcessMark | null;
  /** How often rest-server was started. */
  readonly starts: number;
  /** How often the disk was lost. */
  readonly losses: number;
  /** What failed last. */
  readonly failure: PastFailure | null;
}

/** A failure, by the words of the log, and when it was, in milliseconds since boot. */
export interface PastFailure {
  readonly text: string;
  readonly atMs: number;
}

export type StateListener = (state: State) => void;

/** What each line of the log says of the state. */
export function stateFacts({ phase, source, target }: State): CommonFacts {
  return { phase, ...source === null ? {} : { source }, ...target === null ? {} : { target } };
}

/** Keeps the state, and tells everybody who listens of each change. */
export class Progress {
  #state: State;
  readonly #listeners: StateListener[] = [];
  readonly #now: () => number;
  readonly #hide: (text: string) => string;

  /**
   * @param now milliseconds since boot.
   * @param hide takes the secrets out of a text.
   */
  constructor(now: () => number, hide: (text: string) => string = (text) => text) {
    this.#now = now;
    this.#hide = hide;
    this.#state = {
      ...{ phase: "starting", sinceMs: now(), text: "starting", source: null, target: null },
      ...{ fstype: null, devices: [], server: null, starts: 0, losses: 0, failure: null },
    };
  }

  get state(): State {
    return this.#state;
  }

  /** Calls `listener` with each state from now on; it must not throw, and not take long. */
  listen(listener: StateListener): void {
    this.#listeners.push(listener);
  }

  /** A phase begins, or the words for it change. */
  enter(phase: Phase, text: string, facts: Partial<State> = {}): void {
    const sinceMs = phase === this.#state.phase ? this.#state.sinceMs : this.#now();
    this.note({ ...facts, phase, sinceMs, text: this.#hide(text) });
  }

  /** Facts without a new phase. */
  note(facts: Partial<State>): void {
    const shown = {
      ...facts.source ? { source: this.#hide(facts.source) } : {},
      ...facts.devices ? { devices: facts.devices.map(this.#hide) } : {},
    };
    this.#state = { ...this.#state, ...facts, ...shown };
    for (const listener of this.#listeners) listener(this.#state);
  }

  /** Something failed; what that means for the phase is said by {@linkcode enter}. */
  failed(text: string): void {
    this.note({ failure: { text: this.#hide(text), atMs: this.#now() } });
  }
}
