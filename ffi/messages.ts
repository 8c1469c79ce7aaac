/**
 * One message with at most one descriptor in it over a unix socket: unix(7), cmsg(3).
 *
 * @module
 */
import { MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET } from "../mod/linux.ts";
import { type LauncherLibc, type Libc, readErrno } from "./libc.ts";

/** More than a plan with the longest paths, and less than `net.core.wmem_default`. */
export const MESSAGE_MAX_BYTES = 160 * 1024;
/** CMSG_SPACE and CMSG_LEN of one descriptor. */
const CONTROL_BYTES = 24;
const CONTROL_LENGTH = 20n;

/** struct msghdr with one struct iovec and one struct cmsghdr; all of it must outlive the call. */
function messageOf(bytes: Uint8Array<ArrayBuffer>, control: Uint8Array<ArrayBuffer> | null) {
  const address = (buffer: BufferSource) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
  const iovec = BigUint64Array.of(address(bytes), BigInt(bytes.length));
  const header = BigUint64Array.of(
    ...[0n, 0n], // msg_name, msg_namelen
    ...[address(iovec), 1n],
    ...control === null ? [0n, 0n] : [address(control), BigInt(control.length)],
    0n, // msg_flags
  );
  return { header, iovec };
}

/** Sends text, and a descriptor with it; 0 or errno. */
export function sendMessage(libc: Libc, socket: number, text: string, fd: number | null): number {
  let control: Uint8Array<ArrayBuffer> | null = null;
  if (fd !== null) {
    control = new Uint8Array(CONTROL_BYTES);
    const view = new DataView(control.buffer);
    view.setBigUint64(0, CONTROL_LENGTH, true);
    view.setInt32(8, SOL_SOCKET, true);
    view.setInt32(12, SCM_RIGHTS, true);
    view.setInt32(16, fd, true);
  }
  const message = messageOf(new TextEncoder().encode(text), control);
  const sent = libc.sendmsg(socket, message.header, MSG_NOSIGNAL);
  return Number(sent) < 0 ? readErrno(libc) : 0;
}

/**
 * Waits for a message; `null` where the other side is gone.
 *
 * @returns the text, and the descriptor that came with it, close-on-exec.
 */
export function receiveMessage(
  libc: LauncherLibc,
  socket: number,
): { readonly text: string; readonly fd: number | null } | null | { readonly errno: number } {
  const bytes = new Uint8Array(MESSAGE_MAX_BYTES);
  const control = new Uint8Array(CONTROL_BYTES);
  const { header } = messageOf(bytes, control);
  const length = Number(libc.recvmsg(socket, header, MSG_CMSG_CLOEXEC));
  if (length < 0) return { errno: readErrno(libc) };
  if (length === 0) return null;
  const flags = Number(header[6]! & 0xffffffffn);
  if (flags & MSG_TRUNC) throw new RangeError("the plan is too long");
  const hasFd = header[5]! >= CONTROL_LENGTH;
  return {
    text: new TextDecoder().decode(bytes.subarray(0, length)),
    fd: hasFd ? new DataView(control.buffer).getInt32(16, true) : null,
  };
}
