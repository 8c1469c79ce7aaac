/**
 * Whether a process that runs for hours grows.
 *
 * @module
 */

/** One look at a process. */
export interface Look {
  /** Since the beginning. */
  readonly minutes: number;
  readonly residentKib: number;
  readonly descriptors: number;
}

/** The slope of resident memory in KiB an hour, by least squares; `NaN` for fewer than two looks. */
export function memoryGrowth(looks: readonly Look[]): number {
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const hours = looks.map(({ minutes }) => minutes / 60);
  const [middle, average] = [mean(hours), mean(looks.map(({ residentKib }) => residentKib))];
  const products = looks.map(({ residentKib }, i) =>
    (hours[i]! - middle) * (residentKib - average)
  );
  const squares = hours.map((hour) => (hour - middle) ** 2);
  return mean(products) / mean(squares);
}

/** The least of one figure: what is held for a moment only does not count. */
export function minOf(looks: readonly Look[], figure: keyof Look): number {
  return Math.min(...looks.map((look) => look[figure]));
}
