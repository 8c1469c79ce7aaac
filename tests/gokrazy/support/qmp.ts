/**
 * QEMU's monitor: one command a connection, so that nothing has to be read in between.
 *
 * @see https://www.qemu.org/docs/master/interop/qmp-spec.html
 * @module
 */
import { linesOf } from "../../../dist/tools/command.ts";

/**
 * Sends one command to the monitor's socket and gives what it returns.
 *
 * @throws {Error} with QEMU's words where the command fails.
 */
export async function qmp(
  socket: string,
  command: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<unknown> {
  using connection = await Deno.connect({ transport: "unix", path: socket });
  const lines = linesOf(connection.readable);
  const send = async (message: unknown) => {
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  };
  const answer = async (): Promise<unknown> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`Cannot run "${command}" in QEMU: it closed its monitor`);
      const message = JSON.parse(value) as Record<string, unknown>;
      if ("error" in message) {
        const { desc } = message["error"] as { desc: string };
        throw new Error(`Cannot run "${command}" in QEMU: ${desc}`);
      }
      // Events come in between; the greeting is answered by the first command.
      if ("return" in message) return message["return"];
    }
  };
  await send({ execute: "qmp_capabilities" });
  await answer();
  await send({ execute: command, arguments: args });
  return await answer();
}

/** A command of the monitor for people, for what QMP has no command for. */
export async function hmp(socket: string, line: string): Promise<string> {
  return await qmp(socket, "human-monitor-command", { "command-line": line }) as string;
}

/** Guest port -> host port, from what `info usernet` prints. */
export function parseForwards(text: string): Map<number, number> {
  const rows = text.matchAll(/TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)/g);
  return new Map([...rows].map(([, host, guest]) => [Number(guest), Number(host)]));
}
