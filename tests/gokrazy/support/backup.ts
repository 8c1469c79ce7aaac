/**
 * Looking at a service in the guest, and restic on the host.
 *
 * @module
 */
import { run } from "../../support/command.ts";
import { resticCommand } from "../../support/restic.ts";
import { until } from "../../support/wait.ts";
import type { Machine } from "./machine.ts";

/**
 * A shell condition: somebody listens on a TCP port of the guest (state 0A of proc_net_tcp(5)). Seen twice:
 * the program itself listens for a moment, to know whether the port is free.
 */
export function listens(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const seen = `grep -q ':${hex} 0*:0000 0A ' /proc/net/tcp /proc/net/tcp6`;
  return `{ ${seen} && usleep 100000 && ${seen}; }`;
}

/** Waits in the guest until a condition holds, looking 20 times a second; gives the uptime then. */
export async function untilInGuest(machine: Machine, condition: string, limitMs?: number) {
  const script = `until ${condition}; do usleep 50000; done; cat /proc/uptime`;
  return Number((await machine.sh(script, limitMs)).split(" ")[0]);
}

/** Waits until the guest has been up for so long. */
export async function untilUptime(machine: Machine, seconds: number): Promise<void> {
  const passed = `read up rest </proc/uptime; [ "\${up%.*}" -ge ${Math.ceil(seconds)} ]`;
  await untilInGuest(machine, `{ ${passed}; }`);
}

/** Number of mounts on a directory of the guest. */
export async function mountCount(machine: Machine, target: string): Promise<number> {
  return Number(await machine.sh(`grep -c ' ${target} ' /proc/mounts || true`));
}

/** The rest-server that runs in the guest. @throws {Error} where it is not one. */
export async function serverPid(machine: Machine): Promise<number> {
  const found = "grep -l -a ^/user/rest-server /proc/[0-9]*/cmdline 2>/dev/null";
  const paths = (await machine.sh(found)).split("\n");
  if (paths.length !== 1) throw new Error(`not one rest-server: ${paths}`);
  return Number(paths[0]!.split("/")[2]);
}

/** Waits until a service has a process other than `pid`, and its rest-server listens. */
export async function servesAgain(machine: Machine, service: string, pid: number, port: number) {
  await until(async () => {
    const { Pid, Stopped } = await machine.web.status(service);
    return !Stopped && Pid !== 0 && Pid !== pid;
  }, `a new process of ${service}`);
  await untilInGuest(machine, listens(port));
}

/** Random bytes that no compression makes smaller. */
export async function writeRandom(path: string, mib: number): Promise<void> {
  await run("dd", "if=/dev/urandom", `of=${path}`, "bs=1M", `count=${mib}`, "status=none");
}

/** A backup that runs until it is done or disposed of. */
export async function startBackup(
  address: string,
  source: string,
  limitKibs: number,
): Promise<AsyncDisposable> {
  const limit = ["--limit-upload", String(limitKibs)];
  const repository = `rest:http://${address}/`;
  const [program, ...args] = await resticCommand(repository, "backup", ...limit, source);
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has given up.
      }
      await child.status;
    },
  };
}

/**
 * `restic check` of all data on a repository that lies in a directory. A client that was cut off leaves
 * its lock, which it could not take away any more: that is taken away first.
 */
export async function checkFiles(repository: string): Promise<void> {
  for (const args of [["unlock", "--remove-all"], ["check", "--read-data"]]) {
    const [program, ...rest] = await resticCommand(repository, ...args);
    await run(program, ...rest);
  }
}
