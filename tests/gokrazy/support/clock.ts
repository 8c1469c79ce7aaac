/**
 * The time of day in the guest, set as by a hand that errs by years. The seconds since boot go on as they
 * did: that the program reckons by these alone is what is tried.
 *
 * @see date(1), settimeofday(2)
 * @module
 */
import assert from "node:assert/strict";
import type { Machine } from "./machine.ts";

const YEAR_SECONDS = 365 * 24 * 3600;

/** Sets the clock so many years off the right time; put right at the end, for e2fsck minds what is later than now. */
export class GuestClock implements AsyncDisposable {
  readonly #machine: Machine;
  /** The right time of the boot, in seconds since 1970. */
  readonly #bootSeconds: number;

  private constructor(machine: Machine, bootSeconds: number) {
    this.#machine = machine;
    this.#bootSeconds = bootSeconds;
  }

  /** @param machine one whose clock is right. */
  static async of(machine: Machine): Promise<GuestClock> {
    const [now, uptime] = (await machine.sh("date +%s; cat /proc/uptime")).split(/\s+/);
    return new GuestClock(machine, Math.round(Number(now) - Number(uptime)));
  }

  /** Sets it so many years later than is right; gives the year that it shows. */
  async jump(years: number): Promise<number> {
    const bootSeconds = this.#bootSeconds + years * YEAR_SECONDS;
    const year = await this.#machine.sh(
      `read up rest </proc/uptime; date -s @$((${bootSeconds} + \${up%.*})) >/dev/null; date +%Y`,
    );
    // That it was set: a guest without the right to do so would pass every test of it.
    const right = new Date(this.#bootSeconds * 1000).getUTCFullYear();
    assert(Math.abs(Number(year) - right - years) <= 1, `${year} is not ${years} from ${right}`);
    return Number(year);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.jump(0);
  }
}
