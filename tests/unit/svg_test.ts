/** The figures of the bench: well-formed XML, numbers at their coordinates, words that do not overlap. */
import assert from "node:assert/strict";
import { barChart, lineChart, spread } from "../bench/charts.ts";
import { amount, chart, element, scale, textWidth, ticks, wrap } from "../bench/svg.ts";
import { assertReadable, elementsOf } from "../support/svg.ts";

const FRAME = {
  name: "sample",
  title: 'A <title> & "quotes"',
  description: "What is to be seen",
  captions: ["Measured on a machine with a long name ".repeat(6).trim(), "2026-11-23"],
};

Deno.test("elementsOf() refuses what is not well-formed", () => {
  for (const text of ["<a>", "<a></b>", "<a x=1/>", "<a>&x;</a>", "<a/><b/>", '<a x="1" x="2"/>']) {
    assert.throws(() => elementsOf(text), text);
  }
});

Deno.test("element() escapes what XML does not take as it is", () => {
  assert.equal(element("a", { x: 'b"<&>', y: 1.25 }), '<a x="b&quot;&lt;&amp;&gt;" y="1.3"/>');
  assert.equal(element("a", {}, element("b", {})), "<a><b/></a>");
});

Deno.test("ticks() are round, begin at 0 and reach the most", () => {
  const cases: [number, number[]][] = [
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [56.1, [0, 20, 40, 60]],
    [100, [0, 20, 40, 60, 80, 100]],
    [101, [0, 25, 50, 75, 100, 125]],
    [413, [0, 100, 200, 300, 400, 500]],
    [0.3, [0, 0.1, 0.2, 0.3]],
  ];
  for (const [max, expected] of cases) assert.deepEqual(ticks(max), expected, String(max));
});

Deno.test("scale() puts 0 and the most at the ends", () => {
  const x = scale(200, 100, 500);
  assert.deepEqual([x(0), x(50), x(200)], [100, 200, 500]);
});

Deno.test("amount() keeps as many digits as people read", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [0.423, "0.42"],
    [56.07, "56.1"],
    [60, "60"],
    [413.4, "413"],
    [10_000, "10,000"],
  ];
  for (const [value, expected] of cases) assert.equal(amount(value), expected);
});

Deno.test("wrap() breaks lines between words, and loses none", () => {
  const text = "one two three four five six seven";
  const lines = wrap(text, "note", 80);
  assert.ok(lines.length > 1);
  assert.equal(lines.join(" "), text);
  for (const line of lines) assert.ok(textWidth(line, "note") <= 80, line);
});

Deno.test("spread() moves labels apart, in their order, and keeps them above the bottom", () => {
  assert.deepEqual(spread([100, 10], 38, 300), [100, 10]);
  assert.deepEqual(spread([100, 100, 110], 38, 300), [100, 138, 176]);
  assert.deepEqual(spread([290, 295], 38, 300), [262, 300]);
});

Deno.test("chart() names itself for who cannot see it, and has colours for light and dark", () => {
  const svg = chart(FRAME, element("g", {}), 100);
  const elements = elementsOf(svg);
  const [root, title, description, style] = elements;
  assert.equal(root!.attributes["role"], "img");
  assert.equal(root!.attributes["aria-labelledby"], "sample-title sample-description");
  assert.deepEqual([title!.name, title!.attributes["id"]], ["title", "sample-title"]);
  assert.equal(title!.text, "A &lt;title&gt; &amp; &quot;quotes&quot;");
  assert.deepEqual([description!.name, description!.text], ["desc", "What is to be seen"]);
  assert.match(style!.text, /@media \(prefers-color-scheme:dark\)/);
});

Deno.test("barChart() lays the parts of a bar end to end, as long as their numbers", () => {
  const svg = barChart({
    ...FRAME,
    unit: "ms",
    parts: ["one", "two & more", "none"],
    bars: [{ label: "first", parts: [30, 70, 0] }, { label: "second", parts: [0, 50, 10] }],
  });
  const bars = elementsOf(svg).filter(({ name, attributes }) =>
    name === "rect" && attributes["height"] === "34"
  );
  const number = (i: number, name: string) => Number(bars[i]!.attributes[name]);
  assert.deepEqual(bars.map(({ attributes }) => attributes["class"]), ["c0", "c1", "c1", "c2"]);
  assert.ok(Math.abs(number(1, "width") / number(0, "width") - 70 / 30) < 0.01);
  assert.ok(Math.abs(number(0, "x") + number(0, "width") - number(1, "x")) < 0.11);
  assert.equal(number(0, "x"), number(2, "x"));
  // The longest ends at the last mark of the axis, which is 100.
  assert.ok(Math.abs(number(1, "x") + number(1, "width") - 740) < 0.11);
  assertReadable(svg);
});

Deno.test("barChart() shows how far the measurements of a bar reach", () => {
  const svg = barChart({
    ...FRAME,
    unit: "MB/s",
    parts: ["speed"],
    bars: [{ label: "backup", parts: [150], range: [100, 200], colour: 3 }],
  });
  const elements = elementsOf(svg);
  const bar = elements.find(({ attributes }) => attributes["class"] === "c3")!;
  const left = Number(bar.attributes["x"]);
  const width = Number(bar.attributes["width"]);
  const path = elements.find(({ attributes }) => attributes["class"] === "whisker")!;
  const [, from, to] = /^M([\d.]+) [\d.]+H([\d.]+)M/.exec(path.attributes["d"]!)!;
  assert.ok(Math.abs(Number(from) - (left + width * 100 / 150)) < 0.2);
  assert.ok(Math.abs(Number(to) - (left + width * 200 / 150)) < 0.2);
  assertReadable(svg);
});

Deno.test("lineChart() draws what grows in proportion as a straight line", () => {
  const svg = lineChart({
    ...FRAME,
    unit: "ms",
    counts: "devices",
    marks: [0, 50, 100],
    lines: [
      { name: "linear", points: [[0, 0], [50, 25], [100, 50]] },
      { name: "flat", points: [[1, 49], [100, 49]] },
    ],
  });
  const [line] = elementsOf(svg).filter(({ name }) => name === "polyline");
  const points = line!.attributes["points"]!.split(" ").map((point) =>
    point.split(",").map(Number)
  );
  const [[x0, y0], [x1, y1], [x2, y2]] = points as [number[], number[], number[]];
  assert.equal(x2! - x1!, x1! - x0!);
  assert.ok(Math.abs((y2! - y1!) - (y1! - y0!)) < 0.11);
  assert.ok(y2! < y0!, "more is higher");
  assertReadable(svg);
});
