/**
 * Sockets that are listened on: `/proc/net/tcp`, `tcp6` and `unix`, see proc(5).
 *
 * @module
 */

/** A socket that is listened on. */
export interface Listener {
  /** `127.0.0.1`, `::1`; for a unix socket its path, or `@name` of an abstract one. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** By which `/proc/PID/fd` names it: `socket:[inode]`. */
  readonly inode: string;
}

/** The kernel prints each 32-bit word as a number: on these machines its bytes are in reverse. */
function addressBytes(hex: string): number[] {
  return hex.match(/.{8}/g)!.flatMap((word) =>
    word.match(/../g)!.map((byte) => parseInt(byte, 16)).toReversed()
  );
}

function addressOf(hex: string): string {
  const bytes = addressBytes(hex);
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff;
  if (bytes.length === 4 || mapped) return bytes.slice(-4).join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** The listening sockets in the text of `/proc/net/tcp` or `tcp6`. */
export function parseTcpListeners(text: string): Listener[] {
  // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode; 0A is TCP_LISTEN.
  const row = /^ *\d+: ((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4}) \S+ 0A \S+ \S+ \S+ +\d+ +\d+ +(\d+)/gm;
  return [...text.matchAll(row)].map(([, address, port, inode]) => ({
    host: addressOf(address!),
    port: parseInt(port!, 16),
    inode: inode!,
  }));
}

/** `__SO_ACCEPTON` of `include/uapi/linux/net.h`: listen(2) was called. */
const SO_ACCEPTON = 0x10000;

/** The listening sockets in the text of `/proc/net/unix`. */
export function parseUnixListeners(text: string): Listener[] {
  // Num: RefCount Protocol Flags Type St Inode Path
  const row = /^[0-9a-f]+: \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+) (.+)$/gm;
  return [...text.matchAll(row)]
    .filter(([, flags]) => parseInt(flags!, 16) & SO_ACCEPTON)
    .map(([, , inode, path]) => ({ host: path!, port: 0, inode: inode! }));
}

const ANY: readonly string[] = ["", "0.0.0.0", "::"];

/** Addresses that a host stands for; a name other than localhost is not looked up. */
function sameHost(host: string, other: string): boolean {
  const plain = host.toLowerCase();
  return plain === other || (plain === "localhost" && (other === "127.0.0.1" || other === "::1"));
}

/** The socket that keeps an address from being listened on; an IPv6 wildcard takes IPv4 along. */
export function takenBy(
  host: string,
  port: number,
  listeners: readonly Listener[],
): Listener | undefined {
  return listeners.find((listener) => {
    if (listener.port !== port) return false;
    if (sameHost(host, listener.host) || host === "" || listener.host === "::") return true;
    if (listener.host === "0.0.0.0") return !host.includes(":") || host === "::";
    return ANY.includes(host) && (host === "::" || !listener.host.includes(":"));
  });
}
