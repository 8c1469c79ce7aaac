/**
 * A real systemd as process 1 of its own namespaces, with the units that `deno task install` has installed.
 *
 * @module
 */
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { cgroupPath, removeCgroup } from "./cgroup.ts";
import { run } from "./command.ts";
import type { Disk } from "./disk.ts";
import { httpStatus } from "./http.ts";
import type { Need } from "./needs.ts";
import { realTools, systemTest } from "./system.ts";
import { UNITS } from "./systemd_units.ts";
import { tempDirectory } from "./temp.ts";
import { until, within } from "./wait.ts";

const BOOT = new URL("boot_systemd.sh", import.meta.url).pathname;
const TASKS = new URL("../../dist/tasks/", import.meta.url).pathname;

/** What a machine may lack for a systemd of its own; `null` where it has everything. */
async function lack(): Promise<string | null> {
  const path = await cgroupPath();
  if (path === null) return "cgroup2";
  const made = await Deno.mkdir(path).then(() => Deno.remove(path)).then(() => true, () => false);
  if (!made) return "a cgroup2 that can be written to";
  const overlay = /\boverlay$/m.test(await Deno.readTextFile("/proc/filesystems"));
  return overlay ? null : "overlayfs";
}

const lacking = Deno.uid() === 0 ? await lack() : null;
const NEEDS: readonly Need[] = ["program:systemctl", "program:journalctl", "program:nsenter"];

/** A test with a systemd of its own, on which the program is installed. */
export async function systemdTest(
  name: string,
  fn: (systemd: Systemd) => Promise<void>,
): Promise<void> {
  if (lacking !== null) {
    const fn = () => {};
    return Deno.test({ name: `${name} [ignored: needs ${lacking}]`, ignore: true, fn });
  }
  await systemTest([...NEEDS, "program:man"], name, async () => {
    await using systemd = await Systemd.boot();
    await fn(systemd);
  });
}

/** What a test puts into `/etc/default/restic-rest-server`. */
export type Settings = Readonly<Record<string, string>>;

/** See the module. */
export class Systemd implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #log: Promise<string>;
  readonly #units: { readonly path: string } & AsyncDisposable;
  readonly #cgroup: string;
  /** Its process, as the test sees it. */
  #pid = 0;

  private constructor(units: { readonly path: string } & AsyncDisposable, cgroup: string) {
    this.#units = units;
    this.#cgroup = cgroup;
    const namespaces = ["mount", "pid", "cgroup", "uts", "ipc"].map((name) => `--${name}`);
    this.#child = new Deno.Command("/bin/sh", {
      args: [
        ...["-c", 'echo $$ >"$1/cgroup.procs"; shift; exec unshare "$@"', "sh", cgroup],
        ...[...namespaces, "--propagation", "private", "--fork", "--kill-child"],
        ...[BOOT, units.path],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#log = new Response(this.#child.stderr).text();
  }

  /** Boots, and installs the program. */
  static async boot(): Promise<Systemd> {
    const units = await tempDirectory();
    for (const [name, text] of Object.entries(UNITS)) {
      await Deno.writeTextFile(`${units.path}/${name}`, text);
    }
    const cgroup = (await cgroupPath())!;
    await Deno.mkdir(cgroup);
    const systemd = new Systemd(units, cgroup);
    try {
      await systemd.#install();
      return systemd;
    } catch (error) {
      await systemd[Symbol.asyncDispose]();
      throw new Error(`Cannot boot systemd:\n${await systemd.#log}`, { cause: error });
    }
  }

  async #install(): Promise<void> {
    const { pid } = this.#child;
    const children = `/proc/${pid}/task/${pid}/children`;
    const first = async () => (await Deno.readTextFile(children).catch(() => "")).trim();
    this.#pid = Number(await until(first, "process 1"));
    // Before that, what is done inside would be done to the machine.
    const comm = () => Deno.readTextFile(`/proc/${this.#pid}/comm`);
    await until(async () => (await comm()) === "systemd\n", "systemd as process 1");
    const state = () => this.systemctl("is-system-running").catch(() => "");
    await until(async () => (await state()) === "running", "a running systemd");
    const { "rest-server": server } = await realTools();
    await this.inside("cp", server, "/usr/local/bin/rest-server");
    await this.task("install");
  }

  /** Runs a program among its processes. */
  async inside(...command: string[]): Promise<string> {
    return await run("nsenter", "-t", String(this.#pid), "-m", "-p", "-C", ...command);
  }

  /** Runs `deno task install` or `uninstall`. */
  async task(name: "install" | "uninstall"): Promise<string> {
    return await this.inside(Deno.execPath(), "run", "-A", `${TASKS}${name}.ts`);
  }

  async systemctl(...args: string[]): Promise<string> {
    return await this.inside("systemctl", ...args);
  }

  /** A property of a unit. */
  async show(unit: string, property: string): Promise<string> {
    return await this.systemctl("show", "--value", "-p", property, unit);
  }

  /** Waits until a property of a unit matches. */
  async shows(unit: string, property: string, pattern: RegExp): Promise<string> {
    let value = "";
    return await until(async () => {
      value = await this.show(unit, property);
      return pattern.test(value) ? value || "yes" : null;
    }, `${property} of ${unit}, ${pattern}`).catch(async (error) => {
      throw new Error(`it is "${value}"\n${await this.journal(unit)}`, { cause: error });
    });
  }

  /** The unit's main process, as it is numbered inside. */
  async mainPid(unit: string): Promise<number> {
    return Number(await this.show(unit, "MainPID"));
  }

  /** What a unit said; `more` of journalctl's arguments choose among it. */
  async journal(unit: string, ...more: string[]): Promise<string> {
    return await this.inside("journalctl", "-q", "-o", "cat", "-u", unit, ...more);
  }

  /** Writes the settings, and what a drop-in adds to a unit. */
  async configure(settings: Settings, unit?: string, dropIn?: string): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    const write = 'printf %s "$1" >/etc/default/restic-rest-server';
    await this.inside("/bin/sh", "-c", write, "sh", lines.join(""));
    if (unit !== undefined && dropIn !== undefined) {
      const directory = `${this.#units.path}/${unit}.d`;
      await Deno.mkdir(directory, { recursive: true });
      await Deno.writeTextFile(`${directory}/test.conf`, dropIn);
    }
    await this.systemctl("daemon-reload");
  }

  /** Mount points as a process inside sees them, such as "1". */
  async mountPoints(pid: number | string): Promise<string[]> {
    return parseMountinfo(await this.inside("cat", `/proc/${pid}/mountinfo`))
      .map(({ mountPoint }) => mountPoint);
  }

  /** Shuts down as a machine does; gives what systemd said. */
  async shutDown(): Promise<string> {
    await this.systemctl("start", "--no-block", "--job-mode=replace-irreversibly", "exit.target");
    await within(this.#child.status, "a shutdown");
    return await this.#log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has shut down.
    }
    await this.#child.status;
    await this.#log;
    await removeCgroup(this.#cgroup);
    await this.#units[Symbol.asyncDispose]();
  }
}

export const UNIT = "restic-rest-server.service";
export const HARDENED = "restic-rest-server-hardened.service";
export const TARGET = "/mnt/restic";

/** Settings that serve a disk without passwords, on a free port. */
export function settings(disk: Disk, more: Record<string, string> = {}) {
  return {
    MNT_SOURCE: `LABEL=${disk.label}`,
    MNT_TARGET: TARGET,
    ARGS: `"--path ${TARGET}/restic --listen 127.0.0.1:0 --no-auth"`,
    ...more,
  };
}

/** The address in the last line by which rest-server says that it listens. */
export async function address(systemd: Systemd, unit: string, starts = 1): Promise<string> {
  return await until(async () => {
    const lines = [...(await systemd.journal(unit)).matchAll(/start server on (\S+)/g)];
    return lines.length >= starts ? lines.at(-1)![1]! : null;
  }, `start ${starts} of rest-server`);
}

/** Whether a rest-server answers there. */
export async function answers(at: string): Promise<boolean> {
  return await httpStatus(`http://${at}/`) === 405;
}
