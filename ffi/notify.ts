/**
 * The socket of sd_notify(3): Deno has datagrams on unix sockets neither of its own nor by node:dgram.
 *
 * @module
 */
import {
  AF_UNIX,
  errnoName,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../mod/linux.ts";
import { socketAddress } from "../mod/notify.ts";
import type { NotifySocket } from "../mod/systemd.ts";
import { type Libc, readErrno } from "./libc.ts";

const SYMBOLS = {
  // int socket(int domain, int type, int protocol);
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // ssize_t sendto(int sockfd, const void *buf, size_t len, int flags, const struct sockaddr *dest_addr, socklen_t addrlen);
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
} as const;

/**
 * Opens a socket to the one that `NOTIFY_SOCKET` names; nothing is sent, and no child inherits it.
 *
 * @throws {RangeError} for a name that is none, {@linkcode Error} where there is no socket to be had.
 */
export function openNotifySocket(libc: Libc, name: string): NotifySocket {
  const address = socketAddress(name);
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { socket, sendto } = library.symbols;
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`socket(2): ${errnoName(readErrno(libc))}`);
  return {
    send(message) {
      const [length, flags] = [BigInt(message.length), MSG_DONTWAIT | MSG_NOSIGNAL];
      // Named each time: a manager that was started anew has another socket under the same name.
      const sent = sendto(fd, message, length, flags, address, address.length);
      return Number(sent) < 0 ? readErrno(libc) : 0;
    },
    close() {
      libc.close(fd);
      library.close();
    },
  };
}
