/**
 * The btrfs super block: `struct btrfs_super_block` of `include/uapi/linux/btrfs_tree.h`.
 *
 * @module
 */

/** Where the first super block lies on a device, in bytes. */
export const SUPER_OFFSET = 0x10000;
/** Size of a super block, in bytes. */
export const SUPER_SIZE_BYTES = 4096;

const MAGIC = "_BHRfS_M";

/** What one member device says of its file system. */
export interface BtrfsSuper {
  /** UUID of the file system, as blkid's `UUID`. */
  readonly fsid: string;
  /** How many devices the file system has. */
  readonly numDevices: number;
  /** Number of the member this was read from. */
  readonly devid: number;
  /** UUID of this member, as blkid's `UUID_SUB`. */
  readonly deviceUuid: string;
  /** Transaction number of the last commit; lower on a member that was away. */
  readonly generation: bigint;
}

function uuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/**
 * Parses the {@linkcode SUPER_SIZE_BYTES} bytes at {@linkcode SUPER_OFFSET} of a member device.
 *
 * @throws {SyntaxError} where they hold no btrfs super block.
 */
export function parseBtrfsSuper(bytes: Uint8Array): BtrfsSuper {
  if (bytes.length < SUPER_SIZE_BYTES) {
    throw new SyntaxError(`Cannot parse btrfs super block: ${bytes.length} bytes, not 4096`);
  }
  if (new TextDecoder("latin1").decode(bytes.subarray(64, 72)) !== MAGIC) {
    throw new SyntaxError(`Cannot parse btrfs super block: no magic "${MAGIC}" at offset 64`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numDevices = view.getBigUint64(136, true);
  const devid = view.getBigUint64(201, true);
  // BTRFS_MAX_DEVICES is far below this; anything above is garbage behind a good magic.
  if (numDevices < 1n || numDevices > 0xffffn || devid > 0xffffffffn) {
    throw new SyntaxError(`Cannot parse btrfs super block: ${numDevices} devices, devid ${devid}`);
  }
  return {
    fsid: uuid(bytes.subarray(32, 48)),
    numDevices: Number(numDevices),
    devid: Number(devid),
    deviceUuid: uuid(bytes.subarray(267, 283)),
    generation: view.getBigUint64(72, true),
  };
}
