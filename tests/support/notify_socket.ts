/**
 * The manager's end of sd_notify(3): a datagram socket that says who sent each message.
 *
 * @module
 */
import { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM } from "../../mod/linux.ts";
import { socketAddress } from "../../mod/notify.ts";
import { until } from "./wait.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const MESSAGE_MAX_BYTES = 8192;
/** `struct cmsghdr` with `struct ucred` in it: length, level, type, pid, uid, gid. */
const CONTROL_BYTES = 32;

/** One message. */
export interface Message {
  /** Of the process that sent it, as the kernel says. */
  readonly pid: number;
  readonly text: string;
}

/** A bound socket; what comes is read when it is asked for. */
export class NotifyReceiver implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #fd: number;
  readonly messages: Message[] = [];

  /** @param name as in `NOTIFY_SOCKET`. */
  constructor(readonly name: string) {
    const { socket, bind, setsockopt } = this.#libc.symbols;
    this.#fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const address = socketAddress(name);
    if (bind(this.#fd, address, address.length) !== 0) throw new Error(`Cannot bind "${name}"`);
    setsockopt(this.#fd, SOL_SOCKET, SO_PASSCRED, Int32Array.of(1), 4);
  }

  /** Reads all that has come by now; gives every message so far. */
  read(): readonly Message[] {
    const [bytes, control] = [new Uint8Array(MESSAGE_MAX_BYTES), new Uint8Array(CONTROL_BYTES)];
    const place = (buffer: Uint8Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>) =>
      Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
    for (;;) {
      const vector = BigUint64Array.of(place(bytes), BigInt(bytes.length));
      // struct msghdr: name, its length, iovec, their number, control, its length, flags.
      const header = BigUint64Array.of(0n, 0n, place(vector), 1n, place(control), 32n, 0n);
      const length = Number(this.#libc.symbols.recvmsg(this.#fd, header, MSG_DONTWAIT));
      if (length < 0) return this.messages;
      const pid = new DataView(control.buffer).getInt32(16, true);
      this.messages.push({ pid, text: new TextDecoder().decode(bytes.subarray(0, length)) });
    }
  }

  /** Waits for a message; gives the first that matches. */
  async message(pattern: RegExp): Promise<Message> {
    return await until(
      () => this.read().find(({ text }) => pattern.test(text)),
      `a message ${pattern} to the service manager`,
    );
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}
