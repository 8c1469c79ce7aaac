/**
 * The little of elf(5) that is looked at before a program goes into the image.
 *
 * @module
 */

const PT_INTERP = 3;

/**
 * Whether a program is its own loader: no program header asks for another one. Takes the beginning of a
 * 64-bit little-endian ELF file, with its program headers; both architectures of gokrazy are that.
 */
export function isStatic(header: Uint8Array): boolean {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.byteLength < 64) return false;
  const [start, size, count] = [
    Number(view.getBigUint64(32, true)), // e_phoff
    view.getUint16(54, true), // e_phentsize
    view.getUint16(56, true), // e_phnum
  ];
  if (start + size * count > view.byteLength) return false;
  return Array.from({ length: count }, (_, index) => view.getUint32(start + index * size, true))
    .every((type) => type !== PT_INTERP);
}
