/**
 * A real systemd as process 1 of its own namespaces, with the units that `deno task install` has installed.
 *
 * @module
 */
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { run } from "./command.ts";
import { realTools } from "./system.ts";
import { until, within } from "./wait.ts";

const BOOT = new URL("boot_systemd.sh", import.meta.url).pathname;
const INSTALL = new URL("../../dist/tasks/install.ts", import.meta.url).pathname;

/** The least that a start and a shutdown need; systemd brings the targets that are not written here. */
const UNITS: Readonly<Record<string, string>> = {
  "sysinit.target": "[Unit]\nAfter=local-fs.target\n",
  "basic.target": "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n",
  "local-fs.target": "[Unit]\nConflicts=shutdown.target\nDefaultDependencies=no\n",
  "multi-user.target":
    "[Unit]\nRequires=basic.target systemd-journald.service\nAfter=basic.target\n",
  "network.target": "[Unit]\n",
  "shutdown.target": "[Unit]\nDefaultDependencies=no\n",
  "umount.target": "[Unit]\nDefaultDependencies=no\n",
  "final.target": "[Unit]\nDefaultDependencies=no\nAfter=shutdown.target umount.target\n",
  "exit.target":
    "[Unit]\nDefaultDependencies=no\nRequires=systemd-exit.service\nAfter=systemd-exit.service\n",
  "systemd-exit.service": "[Unit]\nDefaultDependencies=no\n" +
    "Requires=shutdown.target umount.target final.target\n" +
    "After=shutdown.target umount.target final.target\n" +
    "[Service]\nType=oneshot\nExecStart=/bin/systemctl --force exit\n",
  "systemd-journald.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\n" +
    "ListenStream=/run/systemd/journal/stdout\nListenDatagram=/run/systemd/journal/socket\n" +
    "PassCredentials=yes\nPassSecurity=yes\n",
  "systemd-journald.service": "[Unit]\nDefaultDependencies=no\nRequires=systemd-journald.socket\n" +
    "After=systemd-journald.socket\nBefore=sysinit.target\n[Service]\nType=notify\n" +
    "ExecStart=/lib/systemd/systemd-journald\nSockets=systemd-journald.socket\n" +
    "StandardOutput=null\nRuntimeDirectory=systemd/journal\nRuntimeDirectoryPreserve=yes\n",
};

/** A cgroup of its own, so that systemd's are not among those of the machine. */
async function makeCgroup(): Promise<string> {
  const [root] = parseMountinfo(await Deno.readTextFile("/proc/self/mountinfo"))
    .filter(({ fsType }) => fsType === "cgroup2").map(({ mountPoint }) => mountPoint);
  if (root === undefined) throw new Error("cgroup2 is not mounted");
  const [, own] = /^0::(.*)$/m.exec(await Deno.readTextFile("/proc/self/cgroup"))!;
  const path = `${root}${own === "/" ? "" : own}/restic-rest-server-test-${Deno.pid}`;
  await Deno.mkdir(path);
  return path;
}

async function removeCgroup(path: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) await removeCgroup(`${path}/${name}`);
  }
  await until(() => Deno.remove(path).then(() => true, () => false), `an empty cgroup ${path}`);
}

/** What a test puts into `/etc/default/restic-rest-server`. */
export type Settings = Readonly<Record<string, string>>;

/** See the module. */
export class Systemd implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #log: Promise<string>;

  private constructor(
    child: Deno.ChildProcess,
    readonly prefix: string,
    readonly cgroup: string,
    /** Its process, as the test sees it. */
    readonly pid: number,
  ) {
    this.#child = child;
    this.#log = new Response(child.stderr).text();
  }

  /** Installs the program, and boots. */
  static async boot(): Promise<Systemd> {
    // Neither below /tmp nor below /home: a hardened unit sees nothing of these.
    const prefix = await Deno.makeTempDir({ dir: "/var/lib", prefix: "restic-rest-server-test-" });
    await Deno.chmod(prefix, 0o755);
    await run(Deno.execPath(), "run", "-A", INSTALL, "--prefix", prefix);
    const { "rest-server": server } = await realTools();
    await Deno.copyFile(server, `${prefix}/bin/rest-server`);
    await Deno.mkdir(`${prefix}/units`);
    for (const [name, text] of Object.entries(UNITS)) {
      await Deno.writeTextFile(`${prefix}/units/${name}`, text);
    }
    const cgroup = await makeCgroup();
    const namespaces = ["mount", "pid", "cgroup", "uts", "ipc"].map((name) => `--${name}`);
    const child = new Deno.Command("/bin/sh", {
      args: [
        ...["-c", 'echo $$ >"$1/cgroup.procs"; shift; exec unshare "$@"', "sh", cgroup],
        ...[...namespaces, "--propagation", "private", "--fork", "--kill-child"],
        ...[BOOT, `${prefix}/units:${prefix}/lib/systemd/system`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const children = `/proc/${child.pid}/task/${child.pid}/children`;
    const pid = Number(
      await until(async () => (await Deno.readTextFile(children)).trim(), "process 1"),
    );
    const systemd = new Systemd(child, prefix, cgroup, pid);
    await until(
      async () => await systemd.systemctl("is-system-running").catch(() => "") === "running",
      "a running systemd",
    );
    return systemd;
  }

  /** Runs a program among its processes. */
  async inside(...command: string[]): Promise<string> {
    return await run("nsenter", "-t", String(this.pid), "-m", "-p", "-C", ...command);
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

  async journal(unit: string): Promise<string> {
    return await this.inside("journalctl", "--no-pager", "-q", "-o", "cat", "-u", unit);
  }

  /** Writes the settings, and what a drop-in adds to a unit. */
  async configure(settings: Settings, unit?: string, dropIn?: string): Promise<void> {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    await Deno.writeTextFile(`${this.prefix}/etc/default/restic-rest-server`, lines.join(""));
    if (unit !== undefined && dropIn !== undefined) {
      const directory = `${this.prefix}/units/${unit}.d`;
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
    await removeCgroup(this.cgroup);
    await Deno.remove(this.prefix, { recursive: true });
  }
}
