/**
 * Talking to a served rest-server.
 *
 * @module
 */

/** Status of a request; the answer's body is dropped. */
export async function httpStatus(url: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url, init);
  await response.body?.cancel();
  return response.status;
}

/** An upload that never ends: its head and some of its body were sent, the rest is not. */
export async function stuckUpload(address: string): Promise<Disposable> {
  const [hostname, port] = address.split(":");
  await httpStatus(`http://${address}/?create=true`, { method: "POST" });
  const connection = await Deno.connect({ hostname: hostname!, port: Number(port) });
  const head = `POST /config HTTP/1.1\r\nHost: ${address}\r\nContent-Length: 1000000\r\n\r\nhalf`;
  await connection.write(new TextEncoder().encode(head));
  return connection;
}

/** The first line of what somebody answers to a plain request on a unix socket. */
export async function unixAnswer(path: string): Promise<string> {
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode("GET /config HTTP/1.0\r\n\r\n"));
  const bytes = new Uint8Array(256);
  const length = await connection.read(bytes);
  return new TextDecoder().decode(bytes.subarray(0, length ?? 0)).split("\r\n", 1)[0]!;
}
