/**
 * Programs that are run, over Deno's own API.
 *
 * @module
 */
import { clock } from "./edge_clock.ts";
import type { ServerStatus } from "./exit.ts";
import type { SignalName } from "./linux.ts";
import type { Programs } from "./world.ts";

/** How long a killed program gets to be gone; in D state it outlives SIGKILL. */
const KILL_GRACE_MS = 1000;

/** Kills a program at its limit, and does not wait for what it left behind with its pipes. */
async function killAt(
  child: Deno.ChildProcess,
  limitMs: number,
  signal: AbortSignal,
  ended: AbortSignal,
) {
  await clock.sleep(limitMs, AbortSignal.any([signal, ended]));
  if (!ended.aborted) {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended itself.
    }
    await clock.sleep(KILL_GRACE_MS, ended);
  }
  return [{ code: 137, signal: "SIGKILL" }, "", ""] as const;
}

/** blkid says some 200 bytes of a device; what a program prints beyond this is no answer. */
const OUTPUT_MAX_BYTES = 1024 ** 2;

/**
 * All that a program prints; `null` where it is more than anybody wants to know.
 *
 * @param left ends it, for what a killed program left behind can hold the pipe for ever.
 */
async function readOutput(
  stream: ReadableStream<Uint8Array>,
  left: AbortSignal,
): Promise<string | null> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  const close = () => void reader.cancel().catch(() => {});
  left.addEventListener("abort", close);
  let text = "";
  let sizeBytes = 0;
  try {
    for (;;) {
      const { value } = await reader.read();
      if (value === undefined) return text + decoder.decode();
      sizeBytes += value.length;
      if (sizeBytes > OUTPUT_MAX_BYTES) return null;
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    left.removeEventListener("abort", close);
    close();
  }
}

/** Deno knows no name for a real-time signal (signal(7)) and fails on it: told as the shell tells it. */
function realTimeStatus(error: unknown): ServerStatus {
  const number = /^Invalid signal: (\d+)$/.exec(error instanceof Error ? error.message : "")?.[1];
  if (number === undefined) throw error;
  return { code: 128 + Number(number), signal: null };
}

/** Programs that SIGKILL has not ended, by what was run: in the kernel they wait for a disk, as the next one would. */
const stuck = new Map<string, number>();

export const programs: Programs = {
  async output(program, args, limitMs, stop) {
    const call = [program, ...args].join("\0");
    const before = stuck.get(call);
    if (before !== undefined) {
      throw new Error(
        `"${program}" (process ${before}) hangs in the kernel, and SIGKILL does not end it; ` +
          "a disk does not answer",
      );
    }
    const child = new Deno.Command(program, {
      args: [...args],
      // Its own can be gone, with its disk or without.
      cwd: "/",
      // Its messages in English, as the log; labels come as M-CM-) in every locale.
      env: { LC_ALL: "C.UTF-8" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const ended = new AbortController();
    const killed = killAt(child, limitMs, stop, ended.signal);
    let status: Deno.CommandStatus | undefined;
    const gone = child.status.then((it) => status = it);
    const printed = [child.stdout, child.stderr].map((it) => readOutput(it, ended.signal));
    const output = Promise.all([gone, ...printed] as const);
    const [{ code, signal }, stdout, stderr] = await Promise.race([output, killed]);
    ended.abort();
    if (status === undefined) {
      stuck.set(call, child.pid);
      void gone.finally(() => stuck.delete(call));
    }
    if (stdout === null || stderr === null) {
      throw new Error(`"${program}" printed more than ${OUTPUT_MAX_BYTES / 1024 ** 2} MiB`);
    }
    return { code, signal, stdout, stderr };
  },
  start(program, args, variables = {}) {
    const child = new Deno.Command(program, {
      args: [...args],
      cwd: "/",
      env: { ...variables },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    return {
      pid: child.pid,
      status: child.status.then(
        ({ code, signal }) => ({ code, signal: signal as SignalName | null }),
        realTimeStatus,
      ),
      kill(signal) {
        try {
          child.kill(signal as Deno.Signal);
        } catch {
          // It has ended meanwhile; its status is on the way.
        }
      },
    };
  },
};
