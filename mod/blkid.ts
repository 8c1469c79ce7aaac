/**
 * What blkid(8) prints, of util-linux and of busybox.
 *
 * @module
 */

/** A block device and what blkid says of it. */
export interface BlockDevice {
  /** `/dev/sda1`, as blkid prints it. */
  readonly path: string;
  /** `UUID`, `UUID_SUB`, `LABEL`, `TYPE`, `PARTUUID`, `PARTLABEL` and others, unescaped. */
  readonly tags: Readonly<Record<string, string>>;
}

/** What is on a device: TYPE, or the kind of its partition table, such as `gpt partition table`. */
export function contentOf({ tags }: BlockDevice): string | undefined {
  const table = tags["PTTYPE"];
  return tags["TYPE"] ?? (table === undefined ? undefined : `${table} partition table`);
}

/**
 * One `NAME="value"`, in which a backslash escapes the next character. busybox escapes nothing: a quote ends
 * the value only before another name or the end.
 */
const TAG = /\s+([A-Z][A-Z0-9_]*)="((?:[^"\\]|\\.|"(?!\s+[A-Z][A-Z0-9_]*="|\s*$))*)"/gy;

/** Undoes blkid's `\"`, `\\` and `\xHH`; the bytes of the latter are UTF-8. */
function unescape(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replace(/((?:\\x[0-9a-f]{2})+)|\\(.)/gi, (_, hex, character) => {
    if (hex === undefined) return character;
    const bytes = hex.match(/[0-9a-f]{2}/gi)!.map((byte: string) => parseInt(byte, 16));
    return new TextDecoder().decode(new Uint8Array(bytes));
  });
}

function parseLine(line: string): BlockDevice {
  // A path can hold ": ", too.
  const colon = line.search(/:(\s+[A-Z][A-Z0-9_]*="|\s*$)/);
  if (colon <= 0) {
    throw new SyntaxError(`Cannot parse blkid's line: ${JSON.stringify(line.slice(0, 200))}`);
  }
  const tags: Record<string, string> = {};
  const rest = line.slice(colon + 1).trimEnd();
  TAG.lastIndex = 0;
  let end = 0;
  for (let match; (match = TAG.exec(rest)) !== null;) {
    tags[match[1]!] = unescape(match[2]!);
    end = TAG.lastIndex;
  }
  if (end !== rest.length) {
    throw new SyntaxError(`Cannot parse blkid's line: ${JSON.stringify(line.slice(0, 200))}`);
  }
  return { path: line.slice(0, colon), tags };
}

/**
 * Parses blkid's `full` output, the default one: one device a line.
 *
 * ```ts
 * parseBlkid('/dev/sda1: UUID="5e1c" TYPE="ext4" PARTUUID="0a-01"\n')[0]?.tags.UUID; // "5e1c"
 * ```
 *
 * @throws {SyntaxError} for a line that is not of this form.
 */
export function parseBlkid(text: string): BlockDevice[] {
  return text.split(/\n(?=\/)/).filter((line) => line.trim() !== "").map(parseLine);
}

/**
 * A label as blkid prints it in a locale without UTF-8: `é` becomes `M-CM-)`. A static blkid without
 * locale data knows no other way.
 */
export function metaNotation(label: string): string {
  let text = "";
  for (const byte of new TextEncoder().encode(label)) {
    const low = byte & 0x7f;
    if (byte >= 0x80) text += "M-";
    text += low < 0x20 || low === 0x7f
      ? `^${String.fromCharCode(low ^ 0x40)}`
      : String.fromCharCode(low);
  }
  return text;
}
