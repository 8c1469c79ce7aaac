/**
 * gokrazy's own web interface, used as its pages use it.
 *
 * @see https://github.com/gokrazy/gokrazy/blob/main/status.go, supervise.go, statuslog.go
 * @module
 */
import { linesOf } from "../../../dist/tools/command.ts";
import { LIMIT_MS } from "../../support/wait.ts";

/** gokrazy waits 100 s after SIGTERM, and as long after SIGKILL. */
const POWER_OFF_LIMIT_MS = 240_000;

/** What `/status` says of a service. */
export interface ServiceStatus {
  readonly Stopped: boolean;
  /** 0 before its first start; that of the last process, also after its end. */
  readonly Pid: number;
}

/** A client of one machine's web interface. */
export class WebInterface {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(base: string, password: string) {
    this.#base = base;
    this.#headers = { Authorization: `Basic ${btoa(`gokrazy:${password}`)}` };
  }

  async #get(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${this.#base}${path}`, {
      signal: AbortSignal.timeout(LIMIT_MS),
      redirect: "manual",
      ...init,
      headers: { ...this.#headers, ...init.headers as Record<string, string> },
    });
    if (response.status < 400) return response;
    throw new Error(
      `Cannot ${init.method ?? "GET"} ${path}: ${response.status} ${await response.text()}`,
    );
  }

  /** Whether the machine is up: its start page is answered. */
  async answers(): Promise<boolean> {
    try {
      await (await this.#get("/", { signal: AbortSignal.timeout(5000) })).body?.cancel();
      return true;
    } catch {
      return false;
    }
  }

  async status(service: string): Promise<ServiceStatus> {
    const headers = { Accept: "application/json" };
    return await (await this.#get(`/status?path=/user/${service}`, { headers })).json();
  }

  /** What the buttons of the status page do: Restart (which also starts), Stop; `kill` is SIGKILL. */
  async press(button: "restart" | "stop", service: string, signal: "term" | "kill" = "term") {
    const page = await this.#get(`/status?path=/user/${service}`);
    const cookie = page.headers.get("Set-Cookie")?.split(";", 1)[0] ?? "";
    await page.body?.cancel();
    const form = { path: `/user/${service}`, xsrftoken: cookie.split("=")[1] ?? "", signal };
    const init = { method: "POST", headers: { Cookie: cookie }, body: new URLSearchParams(form) };
    await (await this.#get(`/${button}`, init)).body?.cancel();
  }

  /**
   * `/poweroff`: SIGTERM to all services, up to 100 s, then off. It answers when they have ended; asked to
   * answer at once (`async`), gokrazy cuts the power after 1 s, whatever still runs.
   */
  async powerOff(): Promise<void> {
    const init = { method: "POST", signal: AbortSignal.timeout(POWER_OFF_LIMIT_MS) };
    await (await this.#get("/poweroff", init)).body?.cancel();
  }

  /**
   * Follows the log of a service, from the oldest of the 100 lines that gokrazy keeps, until so many of
   * them match; gives the lines up to there.
   */
  async log(
    service: string,
    pattern: RegExp,
    { count = 1, stream = "stderr", limitMs = LIMIT_MS }: {
      count?: number;
      stream?: "stdout" | "stderr";
      limitMs?: number;
    } = {},
  ): Promise<string[]> {
    const lines: string[] = [];
    const path = `/log?path=/user/${service}&stream=${stream}`;
    // A stream of which nothing comes any more does not always heed an abort: its reader is left then.
    const stop = new AbortController();
    const over = Promise.withResolvers<{ done: true; value?: undefined }>();
    const timer = setTimeout(() => {
      stop.abort();
      over.resolve({ done: true });
    }, limitMs);
    try {
      const { body } = await this.#get(path, { signal: stop.signal });
      const reader = linesOf(body!);
      for (let found = 0;;) {
        const { done, value } = await Promise.race([reader.next(), over.promise]);
        if (done) break;
        lines.push(value);
        if (!pattern.test(value) || ++found < count) continue;
        // Cancels the body, too.
        await reader.return(undefined);
        return lines;
      }
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
    const wanted = `${count} lines ${pattern} of ${service} within ${limitMs} ms`;
    throw new Error(`${wanted}; it said:\n${lines.join("\n")}`);
  }
}
