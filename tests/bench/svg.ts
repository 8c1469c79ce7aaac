/**
 * SVG as text: elements, scales, words that fit, and one style for light and dark. Pure: numbers in, text
 * out.
 *
 * @module
 */

/** All charts are as wide as GitHub shows a README, so that their text keeps its size there. */
export const WIDTH = 840;

/** Size of the text of a class, in pixels. */
const TEXT_SIZES = { title: 18, label: 14, value: 14, inside: 13, tick: 12, note: 12 } as const;
export type TextClass = keyof typeof TEXT_SIZES;

/** Colours that keep apart for the colour-blind; the names are those of the classes. */
const COLOURS = {
  light: {
    card: "#ffffff",
    edge: "#d0d7de",
    text: "#1f2328",
    muted: "#59636e",
    grid: "#e4e8ec",
    inside: "#ffffff",
    series: ["#5b4fc4", "#b35a00", "#1a7f4b", "#1f6fc4", "#66707c"],
  },
  dark: {
    card: "#0d1117",
    edge: "#3d444d",
    text: "#f0f6fc",
    muted: "#9198a1",
    grid: "#252b33",
    inside: "#0d1117",
    series: ["#a79dfa", "#f0a04b", "#57c78c", "#6cb2ff", "#a3adb8"],
  },
} as const;

function coloursOf(scheme: keyof typeof COLOURS): string {
  const { card, edge, text, muted, grid, inside, series } = COLOURS[scheme];
  return `.card{fill:${card};stroke:${edge}}` +
    `.title,.label,.value{fill:${text}}.tick,.note{fill:${muted}}.inside{fill:${inside}}` +
    `.grid{stroke:${grid}}.axis{stroke:${muted}}.whisker{stroke:${text}}` +
    series.map((colour, i) => `.c${i}{fill:${colour}}.l${i}{stroke:${colour}}`).join("");
}

function style(): string {
  const sizes = Object.entries(TEXT_SIZES).map(([name, size]) => `.${name}{font-size:${size}px}`);
  return `text{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}` +
    `${sizes.join("")}.title{font-weight:600}.line{fill:none;stroke-width:2.5}` +
    `.grid,.axis,.whisker{stroke-width:1;fill:none}` +
    `${coloursOf("light")}@media (prefers-color-scheme:dark){${coloursOf("dark")}}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
}

/** One element; numbers get at most one decimal, children are SVG already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  children = "",
): string {
  const list = Object.entries(attributes).map(([key, value]) =>
    ` ${key}="${typeof value === "number" ? round(value) : escape(value)}"`
  ).join("");
  return children === "" ? `<${name}${list}/>` : `<${name}${list}>${children}</${name}>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Words at a place; `y` is their base line. */
export function words(
  x: number,
  y: number,
  text: string,
  kind: TextClass,
  anchor: "start" | "middle" | "end" = "start",
): string {
  const at = anchor === "start" ? { x, y } : { x, y, "text-anchor": anchor };
  return element("text", { ...at, class: kind }, escape(text));
}

/** What a pointer that rests on an element is told. */
export function hint(text: string): string {
  return element("title", {}, escape(text));
}

/** How wide a text is at most, in pixels: the widest of the usual sans-serif fonts is assumed. */
export function textWidth(text: string, kind: TextClass): number {
  return text.length * TEXT_SIZES[kind] * (kind === "title" ? 0.62 : 0.58);
}

/** Breaks a text into lines that are at most so wide; a word that is wider stands alone. */
export function wrap(text: string, kind: TextClass, widthMax: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer, kind) <= widthMax) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Round values from 0 to the first that is not below `max`, four to six steps apart. */
export function ticks(max: number): number[] {
  const rough = Math.max(max, 1e-9) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => power * factor >= rough * 0.999)!;
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Maps 0 to `max` onto pixels. */
export function scale(max: number, fromPx: number, toPx: number): (value: number) => number {
  return (value) => fromPx + value / max * (toPx - fromPx);
}

/** A number for people: 1,250, 56.1, 0.42. */
export function amount(value: number): string {
  const digits = value !== 0 && Math.abs(value) < 1 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return Number(value.toFixed(digits)).toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** What frames each chart. */
export interface Frame {
  /** Tells the charts of one page apart: it becomes part of the ids. */
  readonly name: string;
  readonly title: string;
  /** What is to be seen, for who cannot see it. */
  readonly description: string;
  /** What was measured, and where and when: it stands below. */
  readonly captions: readonly string[];
}

const MARGIN = 24;

/** The document: a card with the title on top, the chart in it, and the captions below. */
export function chart({ name, title, description, captions }: Frame, body: string, bottom: number) {
  const lines = captions.flatMap((caption) => wrap(caption, "note", WIDTH - 2 * MARGIN));
  const height = bottom + 14 + lines.length * 17 + 12;
  const notes = lines.map((line, i) => words(MARGIN, bottom + 26 + i * 17, line, "note"));
  const frame = { x: 0.5, y: 0.5, width: WIDTH - 1, height: height - 1, rx: 6, class: "card" };
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: WIDTH,
      height,
      role: "img",
      "aria-labelledby": `${name}-title ${name}-description`,
    },
    [
      "",
      element("title", { id: `${name}-title` }, escape(title)),
      element("desc", { id: `${name}-description` }, escape(description)),
      element("style", {}, style()),
      element("rect", frame),
      words(MARGIN, 36, title, "title"),
      body,
      ...notes,
      "",
    ].join("\n"),
  ) + "\n";
}

/** Coloured names on one line, or more where they do not fit; gives where the next thing may begin. */
export function legend(
  names: readonly string[],
  y: number,
): { readonly svg: string; readonly bottom: number } {
  const parts: string[] = [];
  let x = MARGIN;
  for (const [i, name] of names.entries()) {
    const width = 20 + textWidth(name, "label") + 18;
    if (x > MARGIN && x + width > WIDTH - MARGIN) {
      x = MARGIN;
      y += 22;
    }
    parts.push(element("rect", { x, y: y - 11, width: 13, height: 13, rx: 2, class: `c${i}` }));
    parts.push(words(x + 20, y, name, "label"));
    x += width;
  }
  return { svg: parts.join("\n"), bottom: y + 14 };
}
