/**
 * Whether an address is free, over Deno's own API.
 *
 * @module
 */
import type { Sockets } from "./world.ts";

function listenFault(error: unknown): "in use" | "other" {
  return error instanceof Deno.errors.AddrInUse ? "in use" : "other";
}

export const sockets: Sockets = {
  tcpFault(host, port) {
    // Go listens on both families where no host is given; a host without IPv6 has the other one alone.
    let fault: "in use" | "other" | null = null;
    for (const hostname of host === "" ? ["::", "0.0.0.0"] : [host]) {
      try {
        Deno.listen({ hostname, port }).close();
        return Promise.resolve(null);
      } catch (error) {
        fault = listenFault(error);
        if (fault === "in use") break;
      }
    }
    return Promise.resolve(fault);
  },
  async unixAnswers(path) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
      return true;
    } catch (error) {
      // A full backlog (EAGAIN) and a datagram socket (EPROTOTYPE) belong to a program that lives.
      return !(error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.NotFound);
    }
  },
};
