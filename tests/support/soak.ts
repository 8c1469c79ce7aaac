/**
 * Counted proofs: a promise that is tried again and again at random moments or with random input. CI takes
 * the low count, `deno task soak` the high one.
 *
 * @module
 */
import { appendProof } from "./proofs.ts";

/** `1`: the high counts; `0.1`: a tenth of them, but never fewer than CI's. Not set: CI's. */
export const SOAK_VARIABLE = "TEST_SOAK";
/** Makes the random choices those of an earlier run; each proof prints its own. */
export const SEED_VARIABLE = "TEST_SEED";
/** Where the proofs leave their figures for the report. */
export const REPORT_VARIABLE = "TEST_SOAK_REPORT";

/** How often to try: the high count where one was asked for. */
export function rounds(ci: number, soak: number): number {
  const part = Number(Deno.env.get(SOAK_VARIABLE) ?? 0);
  if (!(part >= 0 && part <= 1)) throw new RangeError(`${SOAK_VARIABLE} takes 0 to 1, not ${part}`);
  return Math.max(ci, Math.round(soak * part));
}

/** The seed of this run, from 0 to 2^31 - 1, where fast-check takes it, too. */
export function newSeed(): number {
  const given = Deno.env.get(SEED_VARIABLE);
  return given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! >>> 1 : Number(given);
}

/** Random numbers that a seed brings back: mulberry32. */
export class Random {
  #state: number;
  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

export interface Proof {
  /** What is promised, as it stands in the report. */
  readonly name: string;
  readonly ci: number;
  readonly soak: number;
}

/** What a proof counts itself by. */
export interface Tally {
  readonly count: number;
  readonly random: Random;
  /** To be raised by each round that held. */
  done: number;
  /** Figures for the report, in words. */
  measured?: string;
}

/** Runs a counted proof and leaves its figures; a failure names the seed that brings it back. */
export async function prove(proof: Proof, fn: (tally: Tally) => Promise<void> | void) {
  const seed = newSeed();
  const tally: Tally = { count: rounds(proof.ci, proof.soak), random: new Random(seed), done: 0 };
  const startMs = performance.now();
  let failure: string | null = null;
  try {
    await fn(tally);
    if (tally.done !== tally.count) throw new Error(`only ${tally.done} of ${tally.count} rounds`);
  } catch (error) {
    failure = error instanceof Error ? error.message.split("\n", 1)[0]! : String(error);
    throw new Error(
      `round ${tally.done + 1} of ${tally.count} (${SEED_VARIABLE}=${seed}): ${failure}`,
      { cause: error },
    );
  } finally {
    const seconds = (performance.now() - startMs) / 1000;
    console.log(
      `${proof.name}: ${tally.done} of ${tally.count} in ${seconds.toFixed(1)} s, ` +
        `${SEED_VARIABLE}=${seed}`,
    );
    const path = Deno.env.get(REPORT_VARIABLE);
    if (path !== undefined) {
      const { count, done, measured } = tally;
      await appendProof(path, {
        ...{ name: proof.name, count, done, failure, seconds, seed },
        ...measured === undefined ? {} : { measured },
      });
    }
  }
}
