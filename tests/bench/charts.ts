/**
 * The two kinds of chart: bars of one or several parts, and lines over a count. Pure, over svg.ts.
 *
 * @module
 */
import {
  amount,
  chart,
  element,
  type Frame,
  hint,
  legend,
  scale,
  textWidth,
  ticks,
  words,
} from "./svg.ts";

const LEFT = 24;
/** Where bars and lines end; behind them stand totals and names. */
const BARS_RIGHT = 740;
const LINES_RIGHT = 588;

export interface Bar {
  readonly label: string;
  /** One value a part, in the order of the parts' names. */
  readonly parts: readonly number[];
  /** The smallest and the largest that was measured, where the bar has one part. */
  readonly range?: readonly [number, number];
  /** The number of its colour, where it has one part. */
  readonly colour?: number;
}

export interface BarChart extends Frame {
  readonly unit: string;
  /** What the colours mean. */
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
}

const BAR_HEIGHT = 34;
const BAR_PITCH = 52;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function xAxis(
  values: readonly number[],
  unit: string,
  x: (value: number) => number,
  top: number,
  y: number,
) {
  return values.map((value, i) =>
    element("line", { x1: x(value), x2: x(value), y1: top, y2: y, class: "grid" }) + "\n" +
    words(x(value), y + 18, tick(values, i, unit), "tick", "middle")
  );
}

/** The words at a mark of an axis: the last has the unit. */
function tick(values: readonly number[], i: number, unit: string): string {
  return i === values.length - 1 ? `${amount(values[i]!)} ${unit}` : amount(values[i]!);
}

/** Horizontal bars; the parts of each lie end to end, and its total stands behind it. */
export function barChart(spec: BarChart): string {
  const key = spec.parts.length > 1 ? legend(spec.parts, 66) : { svg: "", bottom: 50 };
  const top = key.bottom + 4;
  const left = LEFT + Math.max(...spec.bars.map(({ label }) => textWidth(label, "label"))) + 12;
  const most = Math.max(...spec.bars.flatMap((bar) => [sum(bar.parts), bar.range?.[1] ?? 0]));
  const marks = ticks(most);
  const x = scale(marks.at(-1)!, left, BARS_RIGHT);
  const bottom = top + spec.bars.length * BAR_PITCH;
  const bars = spec.bars.flatMap((bar, row) => {
    const y = top + row * BAR_PITCH + (BAR_PITCH - BAR_HEIGHT) / 2;
    const middle = y + BAR_HEIGHT / 2;
    let before = 0;
    const parts = bar.parts.flatMap((value, i) => {
      const from = x(before);
      before += value;
      const width = x(before) - from;
      const box = { x: from, y, width, height: BAR_HEIGHT, class: `c${bar.colour ?? i}` };
      const inside = amount(value);
      const fits = bar.parts.length > 1 && textWidth(inside, "inside") + 8 < width;
      return value <= 0 ? [] : [
        element("rect", box, hint(`${spec.parts[i]}: ${inside} ${spec.unit}`)),
        ...(fits ? [words(from + width / 2, middle + 5, inside, "inside", "middle")] : []),
      ];
    });
    const [low, high] = bar.range ?? [before, before];
    const whisker = bar.range === undefined ? [] : [element("path", {
      d: `M${x(low).toFixed(1)} ${middle}H${x(high).toFixed(1)}` +
        [low, high].map((value) => `M${x(value).toFixed(1)} ${middle - 5}v10`).join(""),
      class: "whisker",
    })];
    const end = Math.max(x(before), x(high)) + 8;
    const total = `${amount(before)} ${spec.unit}`;
    return [
      words(LEFT, middle + 5, bar.label, "label"),
      ...parts,
      ...whisker,
      words(end, middle + 5, total, "value"),
    ];
  });
  const axis = [
    ...xAxis(marks, spec.unit, x, top, bottom),
    element("line", { x1: left, x2: left, y1: top, y2: bottom, class: "axis" }),
  ];
  return chart(spec, [key.svg, ...axis, ...bars].join("\n"), bottom + 24);
}

export interface Line {
  readonly name: string;
  /** Count and value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface LineChart extends Frame {
  readonly unit: string;
  /** What is counted along the horizontal axis, and its marks from 0 to the most. */
  readonly counts: string;
  readonly marks: readonly number[];
  readonly lines: readonly Line[];
}

/** Moves labels apart that lie closer than `gap`, each as little as it can be, in the given order of height. */
export function spread(wanted: readonly number[], gap: number, bottom: number): number[] {
  const order = wanted.map((y, i) => ({ y, i })).toSorted((a, b) => a.y - b.y);
  for (const [k, item] of order.entries()) {
    if (k > 0) item.y = Math.max(item.y, order[k - 1]!.y + gap);
  }
  for (let k = order.length - 1, limit = bottom; k >= 0; k--) {
    order[k]!.y = Math.min(order[k]!.y, limit);
    limit = order[k]!.y - gap;
  }
  const placed = [...wanted];
  for (const { y, i } of order) placed[i] = y;
  return placed;
}

const PLOT_TOP = 66;
const PLOT_BOTTOM = 346;

/** Lines over a linear axis, so that what grows in proportion is straight; each has its name at its end. */
export function lineChart(spec: LineChart): string {
  const points = spec.lines.flatMap(({ points }) => points);
  const left = 92;
  const yMarks = ticks(Math.max(...points.map(([, value]) => value)));
  const x = scale(spec.marks.at(-1)!, left, LINES_RIGHT);
  const y = scale(yMarks.at(-1)!, PLOT_BOTTOM, PLOT_TOP);
  const grid = yMarks.flatMap((value, i) => [
    element("line", { x1: left, x2: LINES_RIGHT, y1: y(value), y2: y(value), class: "grid" }),
    words(left - 8, y(value) + 4, tick(yMarks, i, spec.unit), "tick", "end"),
  ]);
  const ends = spec.lines.map(({ points }) => y(points.at(-1)![1]));
  const heights = spread(ends, 38, PLOT_BOTTOM - 8);
  const lines = spec.lines.flatMap(({ name, points }, i) => {
    const at = points.map(([count, value]) => [x(count), y(value)] as const);
    const [endX, endY] = at.at(-1)!;
    const labelY = heights[i]!;
    const value = `${amount(points[0]![1])} to ${amount(points.at(-1)![1])} ${spec.unit}`;
    return [
      element("polyline", {
        points: at.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "),
        class: `line l${i}`,
      }),
      ...at.map(([cx, cy]) => element("circle", { cx, cy, r: 4, class: `c${i}` })),
      element("path", { d: leader(endX + 7, endY, LINES_RIGHT + 22, labelY), class: "axis" }),
      element("rect", {
        ...{ x: LINES_RIGHT + 26, y: labelY - 10, width: 4, height: 30 },
        class: `c${i}`,
      }),
      words(LINES_RIGHT + 36, labelY + 2, name, "label"),
      words(LINES_RIGHT + 36, labelY + 18, value, "note"),
    ];
  });
  const body = [
    ...grid,
    ...spec.marks.map((count) =>
      words(x(count), PLOT_BOTTOM + 18, amount(count), "tick", "middle")
    ),
    element("line", { x1: left, x2: LINES_RIGHT, y1: PLOT_BOTTOM, y2: PLOT_BOTTOM, class: "axis" }),
    words((left + LINES_RIGHT) / 2, PLOT_BOTTOM + 38, spec.counts, "tick", "middle"),
    ...lines,
  ].join("\n");
  return chart(spec, body, PLOT_BOTTOM + 44);
}

function leader(fromX: number, fromY: number, toX: number, toY: number): string {
  return `M${fromX.toFixed(1)} ${fromY.toFixed(1)}L${toX.toFixed(1)} ${toY.toFixed(1)}`;
}
