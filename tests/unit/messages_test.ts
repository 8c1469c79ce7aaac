/** A message with a descriptor in it, from one process to another. */
import assert from "node:assert/strict";
import { openLauncherLibc, openLibc } from "../../ffi/libc.ts";
import { receiveMessage, sendMessage } from "../../ffi/messages.ts";
import {
  AF_UNIX,
  ERRNO,
  O_CLOEXEC,
  O_RDONLY,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
} from "../../mod/linux.ts";

const libc = openLibc();
const launcherLibc = openLauncherLibc();
// Looked up here: each is a resource that stays open, which no test may leave.
for (const symbols of [libc, launcherLibc]) {
  for (const name of Object.getOwnPropertyNames(symbols)) void symbols[name as keyof object];
}

/** Two sockets that are connected. */
function socketPair(): [number, number] {
  const pair = new Int32Array(2);
  assert.equal(libc.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  return [pair[0]!, pair[1]!];
}

Deno.test("a message arrives whole, and with it a descriptor of the same file", () => {
  const [here, there] = socketPair();
  const path = new TextEncoder().encode("/proc/self/exe\0");
  const fd = libc.open(path, O_RDONLY | O_CLOEXEC, 0);
  const text = `größe ${"x".repeat(100_000)}`;
  assert.equal(sendMessage(libc, here, text, fd), 0);
  const message = receiveMessage(launcherLibc, there);
  assert.ok(message !== null && "text" in message);
  assert.equal(message.text, text);
  assert.notEqual(message.fd, fd);
  const nameOf = (fd: number) => Deno.readLinkSync(`/proc/self/fd/${fd}`);
  assert.equal(nameOf(message.fd!), nameOf(fd));
  const flags = Deno.readTextFileSync(`/proc/self/fdinfo/${message.fd}`);
  assert.ok(parseInt(/^flags:\s*(\d+)$/m.exec(flags)![1]!, 8) & O_CLOEXEC);
  for (const open of [fd, message.fd!, here, there]) libc.close(open);
});

Deno.test("a message without a descriptor; then the other side is gone", () => {
  const [here, there] = socketPair();
  assert.equal(sendMessage(libc, here, "{}", null), 0);
  assert.deepEqual(receiveMessage(launcherLibc, there), { text: "{}", fd: null });
  libc.close(here);
  assert.equal(receiveMessage(launcherLibc, there), null);
  assert.equal(sendMessage(libc, there, "late", null), ERRNO.EPIPE);
  libc.close(there);
});

Deno.test("what is no socket is an errno", () => {
  assert.deepEqual(receiveMessage(launcherLibc, 0x7fffffff), { errno: ERRNO.EBADF });
});
