/**
 * A GUID partition table with one partition, written by hand: sfdisk(8) is not everywhere, and refuses
 * what a decoy needs.
 *
 * @module
 */
import { crc32 } from "node:zlib";

const SECTOR_BYTES = 512;
const ENTRIES = 128;
const ENTRY_BYTES = 128;
const TABLE_SECTORS = ENTRIES * ENTRY_BYTES / SECTOR_BYTES;
/** Linux file system data. */
const PARTITION_TYPE = "0fc63daf-8483-4772-8e79-3d69d8477de4";
/** Partitions begin at a MiB. */
export const FIRST_SECTOR = 2048;

/** A GUID as it lies on the disk: its first three groups little-endian. */
function guidBytes(guid: string): Uint8Array {
  const groups = guid.split("-").map((hex) => Uint8Array.fromHex(hex));
  return new Uint8Array(groups.flatMap((group, i) => i < 3 ? [...group].toReversed() : [...group]));
}

function header(sector: number, other: number, last: number, table: number, entriesCrc: number) {
  const bytes = new Uint8Array(SECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("EFI PART"));
  view.setUint32(8, 0x00010000, true);
  view.setUint32(12, 92, true);
  view.setBigUint64(24, BigInt(sector), true);
  view.setBigUint64(32, BigInt(other), true);
  view.setBigUint64(40, BigInt(2 + TABLE_SECTORS), true);
  view.setBigUint64(48, BigInt(last - 1 - TABLE_SECTORS), true);
  bytes.set(guidBytes(crypto.randomUUID()), 56);
  view.setBigUint64(72, BigInt(table), true);
  view.setUint32(80, ENTRIES, true);
  view.setUint32(84, ENTRY_BYTES, true);
  view.setUint32(88, entriesCrc, true);
  view.setUint32(16, crc32(bytes.subarray(0, 92)), true);
  return bytes;
}

/** Writes a table with one partition over all of the image. */
export async function writeGpt(
  image: string,
  partition: { readonly uuid: string; readonly label: string },
): Promise<void> {
  const last = (await Deno.stat(image)).size / SECTOR_BYTES - 1;
  const entries = new Uint8Array(ENTRIES * ENTRY_BYTES);
  const view = new DataView(entries.buffer);
  entries.set(guidBytes(PARTITION_TYPE), 0);
  entries.set(guidBytes(partition.uuid), 16);
  view.setBigUint64(32, BigInt(FIRST_SECTOR), true);
  view.setBigUint64(40, BigInt(last - 1 - TABLE_SECTORS), true);
  [...partition.label].forEach((character, i) =>
    view.setUint16(56 + 2 * i, character.charCodeAt(0), true)
  );
  const crc = crc32(entries);

  const mbr = new Uint8Array(SECTOR_BYTES);
  mbr.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0], 446);
  new DataView(mbr.buffer).setUint32(458, last, true);
  mbr.set([0x55, 0xaa], 510);

  using file = await Deno.open(image, { write: true });
  const write = async (sector: number, bytes: Uint8Array) => {
    await file.seek(sector * SECTOR_BYTES, Deno.SeekMode.Start);
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
  };
  await write(0, mbr);
  await write(1, header(1, last, last, 2, crc));
  await write(2, entries);
  await write(last - TABLE_SECTORS, entries);
  await write(last, header(last, 1, last, last - TABLE_SECTORS, crc));
}
