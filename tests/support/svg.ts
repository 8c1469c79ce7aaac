/**
 * Reads an SVG as a test wants it: well-formed, and with words that can be read.
 *
 * @module
 */
import assert from "node:assert/strict";
import { textWidth, WIDTH } from "../bench/svg.ts";

/** An element, with the text that stands directly in it. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  text: string;
}

const ATTRIBUTE = /\s+([A-Za-z_][\w:-]*)="([^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*)"/y;
const PROSE = /^[^<&>]*(?:&(?:amp|lt|gt|quot);[^<&>]*)*$/;

/** Reads the elements of an XML document in order, as strictly as XML 1.0 wants it. */
export function elementsOf(xml: string): Element[] {
  const all: Element[] = [];
  const open: Element[] = [];
  let at = 0;
  while (at < xml.length) {
    const next = xml.indexOf("<", at);
    const prose = xml.slice(at, next < 0 ? xml.length : next);
    assert.match(prose, PROSE, "text between elements");
    if (open.length === 0) assert.equal(prose.trim(), "", "text outside of the root");
    else open.at(-1)!.text += prose;
    if (next < 0) break;
    const [tag, slash, name] = /^<(\/?)([a-zA-Z]+)/.exec(xml.slice(next)) ?? [];
    assert.ok(tag !== undefined && name !== undefined, `a tag at ${xml.slice(next, next + 40)}`);
    at = next + tag.length;
    if (slash === "/") {
      assert.equal(open.pop()?.name, name, "the element that ends");
      assert.equal(xml[at++], ">");
      continue;
    }
    assert.ok(open.length > 0 || all.length === 0, "one root");
    const attributes: Record<string, string> = {};
    ATTRIBUTE.lastIndex = at;
    for (let match; (match = ATTRIBUTE.exec(xml)) !== null; at = ATTRIBUTE.lastIndex) {
      assert.ok(!(match[1]! in attributes), `${match[1]} twice`);
      attributes[match[1]!] = match[2]!;
    }
    const element: Element = { name, attributes, text: "" };
    all.push(element);
    if (xml.startsWith("/>", at)) at += 2;
    else {
      assert.equal(xml[at++], ">", `the end of <${name}`);
      open.push(element);
    }
  }
  assert.deepEqual(open, []);
  return all;
}

/** The boxes of all words, as wide as the widest font makes them. */
function boxesOf(elements: readonly Element[]) {
  return elements.filter(({ name }) => name === "text").map(({ attributes, text }) => {
    const kind = attributes["class"] as Parameters<typeof textWidth>[1];
    const [x, y, width] = [Number(attributes["x"]), Number(attributes["y"]), textWidth(text, kind)];
    const anchor = attributes["text-anchor"] ?? "start";
    const left = x - (anchor === "middle" ? width / 2 : anchor === "end" ? width : 0);
    return { text, left, right: left + width, top: y - 11, bottom: y + 3 };
  });
}

/** That every word can be read: inside of the card, and on none of the others. */
export function assertReadable(svg: string): void {
  const elements = elementsOf(svg);
  const boxes = boxesOf(elements);
  const height = Number(elements[0]!.attributes["height"]);
  assert.ok(boxes.length > 5);
  for (const [i, a] of boxes.entries()) {
    const inside = a.left >= 0 && a.right <= WIDTH && a.top >= 0 && a.bottom <= height;
    assert.ok(inside, `"${a.text}" leaves the card`);
    for (const b of boxes.slice(i + 1)) {
      const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top ||
        b.bottom <= a.top;
      assert.ok(apart, `"${a.text}" lies on "${b.text}"`);
    }
  }
}
