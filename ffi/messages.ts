/**
 * One message with at most one descriptor in it over a unix socket: unix(7), cmsg(3).
 *
 * @module
 */
import { MSG_CMSG_CLOEXEC, MSG_NOSIGNAL, MSG_TRUNC, SCM_RIGHTS, SOL_SOCKET } from "../mod/linux.ts";
import { addressOf, type LauncherLibc, type Libc, readErrno } from "./libc.ts";

/** More than a plan with the longest paths, and less than `net.core.wmem_default`. */
export const MESSAGE_MAX_BYTES = 160 * 1024;

/** Where each part of a {@linkcode Message} lies: struct msghdr, struct iovec, CMSG_SPACE of one descriptor, the text. */
const IOVEC = 56;
const CONTROL = 72;
const TEXT = 96;
/** CMSG_LEN of one descriptor. */
const CONTROL_LENGTH = 20n;
/** Fields of struct msghdr. */
const MSG_IOV = 16;
const MSG_IOVLEN = 24;
const MSG_CONTROL = 32;
const MSG_CONTROLLEN = 40;
const MSG_FLAGS = 48;

/** A struct msghdr and all that it points to, in one buffer: the call that is given it keeps it all. */
interface Message {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
}

/** A message with room for so many bytes of text, and for a descriptor where it can have one. */
function layMessage(textBytes: number, hasControl: boolean): Message {
  const bytes = new Uint8Array(TEXT + textBytes);
  const [start, view] = [addressOf(bytes), new DataView(bytes.buffer)];
  const set = (offset: number, value: number | bigint) =>
    view.setBigUint64(offset, BigInt(value), true);
  set(MSG_IOV, start + BigInt(IOVEC));
  set(MSG_IOVLEN, 1);
  set(IOVEC, start + BigInt(TEXT));
  set(IOVEC + 8, textBytes);
  if (hasControl) {
    set(MSG_CONTROL, start + BigInt(CONTROL));
    set(MSG_CONTROLLEN, TEXT - CONTROL);
  }
  return { bytes, view };
}

/** Sends text, and a descriptor with it; 0 or errno. */
export function sendMessage(libc: Libc, socket: number, text: string, fd: number | null): number {
  const encoded = new TextEncoder().encode(text);
  const { bytes, view } = layMessage(encoded.length, fd !== null);
  bytes.set(encoded, TEXT);
  if (fd !== null) {
    view.setBigUint64(CONTROL, CONTROL_LENGTH, true);
    view.setInt32(CONTROL + 8, SOL_SOCKET, true);
    view.setInt32(CONTROL + 12, SCM_RIGHTS, true);
    view.setInt32(CONTROL + 16, fd, true);
  }
  const sent = libc.sendmsg(socket, bytes, MSG_NOSIGNAL);
  return Number(sent) < 0 ? readErrno(libc) : 0;
}

/**
 * Waits for a message; `null` where the other side is gone.
 *
 * @returns the text, and the descriptor that came with it, close-on-exec.
 * @throws {RangeError} for one that is longer than {@linkcode MESSAGE_MAX_BYTES}.
 */
export function receiveMessage(
  libc: LauncherLibc,
  socket: number,
): { readonly text: string; readonly fd: number | null } | null | { readonly errno: number } {
  const { bytes, view } = layMessage(MESSAGE_MAX_BYTES, true);
  const length = Number(libc.recvmsg(socket, bytes, MSG_CMSG_CLOEXEC));
  if (length < 0) return { errno: readErrno(libc) };
  if (length === 0) return null;
  if (view.getInt32(MSG_FLAGS, true) & MSG_TRUNC) throw new RangeError("the plan is too long");
  const hasFd = view.getBigUint64(MSG_CONTROLLEN, true) >= CONTROL_LENGTH;
  return {
    text: new TextDecoder().decode(bytes.subarray(TEXT, TEXT + length)),
    fd: hasFd ? view.getInt32(CONTROL + 16, true) : null,
  };
}
