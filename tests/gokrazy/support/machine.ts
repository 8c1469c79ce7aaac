/**
 * A virtual machine that runs a gokrazy image, without KVM. QEMU runs as a daemon of its own, its console
 * goes to a file and its monitor is asked command by command: nothing has to be read all the time, so
 * that each test ends with no operation of its own left over.
 *
 * @module
 */
import { run } from "../../support/command.ts";
import { until } from "../../support/wait.ts";
import type { GuestDisk } from "./disks.ts";
import type { Image } from "./image.ts";
import { AGENT_PORT, PASSWORD, WEB_PORT } from "./instance.ts";
import { hmp, parseForwards, qmp } from "./qmp.ts";
import { WebInterface } from "./web.ts";

/** Until the web interface answers: about 20 s here, but machines are shared. */
const BOOT_LIMIT_MS = 240_000;
/** gokrazy gives its services 100 s. */
const END_LIMIT_MS = 180_000;

export interface BootOptions {
  readonly image: Image;
  /** Holds the machine's own copy of the image, its sockets and its console's text. */
  readonly directory: string;
  /** Ports of the guest to reach. */
  readonly ports: readonly number[];
  /** The guest reaches this machine as 10.0.2.2, and what is beyond; else nothing. */
  readonly reachesHost?: boolean;
  /** More arguments of QEMU. */
  readonly args?: readonly string[];
}

function qemuArguments(
  { image, directory, ports, reachesHost = false, args = [] }: BootOptions,
): string[] {
  const forwards = [WEB_PORT, AGENT_PORT, ...ports].map((port) =>
    `hostfwd=tcp:127.0.0.1:0-:${port}`
  );
  const boot = image.spec.kernel.boot === "firmware"
    ? ["-bios", image.firmware]
    : ["-kernel", image.vmlinuz, "-append", image.commandLine];
  return [
    ...["-machine", "virt,highmem=off", "-cpu", "cortex-a72", "-smp", "2", "-m", "1024"],
    // An instruction is 1 ns of guest time, as on a 1 GHz core: the guest's clock, and with it each limit
    // and each figure in the guest, is the same however busy this machine is.
    ...["-icount", "shift=0"],
    ...boot,
    ...["-drive", `file=${directory}/system.img,format=raw,if=virtio`],
    // No way out: a time server that answers would set the clock in the middle of a test.
    ...["-netdev", `user,id=net,restrict=${reachesHost ? "off" : "on"},${forwards.join(",")}`],
    ...["-device", "virtio-net-pci,netdev=net,romfile="],
    ...["-device", "qemu-xhci,id=usb"],
    ...["-serial", `file:${directory}/console.txt`],
    ...["-qmp", `unix:${directory}/monitor,server=on,wait=off`],
    ...["-display", "none", "-daemonize", "-pidfile", `${directory}/qemu.pid`],
    ...args,
  ];
}

/** The QEMU that runs in a directory; the pid alone could be somebody else's by now. */
async function machineProcess(directory: string): Promise<number | undefined> {
  const pid = Number(await Deno.readTextFile(`${directory}/qemu.pid`).catch(() => "0"));
  const line = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return line.includes(`${directory}/qemu.pid`) ? pid : undefined;
}

/** Ends the QEMU that runs in a directory, as if its plug were pulled; says whether there was one. */
export async function endMachine(directory: string): Promise<boolean> {
  const pid = await machineProcess(directory);
  if (pid === undefined) return false;
  const gone = async () => await machineProcess(directory) === undefined;
  await qmp(`${directory}/monitor`, "quit").catch(() => {});
  await until(gone, "QEMU to quit", 10_000).catch(async () => {
    if (!await gone()) Deno.kill(pid, "SIGKILL");
    await until(gone, "QEMU to be gone");
  });
  return true;
}

/** A machine that was started; it may have ended since. */
export class Machine implements AsyncDisposable {
  readonly web: WebInterface;
  readonly #directory: string;
  readonly #ports: ReadonlyMap<number, number>;

  private constructor(directory: string, ports: ReadonlyMap<number, number>) {
    this.#directory = directory;
    this.#ports = ports;
    this.web = new WebInterface(`http://${this.address(WEB_PORT)}`, PASSWORD);
  }

  /**
   * Starts a machine, on the system that an earlier one in the same directory left, and waits for its
   * web interface.
   *
   * @throws {Error} with the end of its console, where it never gets that far.
   */
  static async boot(options: BootOptions): Promise<Machine> {
    const { directory, image } = options;
    if (await Deno.stat(`${directory}/system.img`).catch(() => null) === null) {
      await run("cp", "--sparse=always", image.path, `${directory}/system.img`);
    }
    await run("qemu-system-aarch64", ...qemuArguments(options));
    const forwards = parseForwards(await hmp(`${directory}/monitor`, "info usernet"));
    const machine = new Machine(directory, forwards);
    try {
      await until(
        async () => {
          if (!await machine.runs()) throw new Error("QEMU has ended");
          return await machine.web.answers();
        },
        "gokrazy's web interface",
        BOOT_LIMIT_MS,
      );
      return machine;
    } catch (error) {
      const console = (await machine.console()).split("\n").slice(-30).join("\n");
      await machine[Symbol.asyncDispose]();
      throw new Error(`Cannot boot gokrazy: ${(error as Error).message}\n${console}`);
    }
  }

  /** `host:port` by which a port of the guest is reached. */
  address(port: number): string {
    const forward = this.#ports.get(port);
    if (forward === undefined) throw new Error(`Cannot reach port ${port}: it is not forwarded`);
    return `127.0.0.1:${forward}`;
  }

  /** What the kernel and gokrazy's init have printed. */
  async console(): Promise<string> {
    return await Deno.readTextFile(`${this.#directory}/console.txt`);
  }

  /** Whether QEMU still runs. */
  async runs(): Promise<boolean> {
    return await machineProcess(this.#directory) !== undefined;
  }

  /**
   * Runs a script in the guest, by busybox's ash; gives what it printed.
   *
   * @throws {Error} with that, where it does not exit 0.
   */
  async sh(script: string, limitMs = 120_000): Promise<string> {
    const init = { method: "POST", body: script, signal: AbortSignal.timeout(limitMs) };
    const url = `http://${this.address(AGENT_PORT)}/`;
    const response = await fetch(url, init).catch((error) => {
      throw new Error(`in the guest: ${script}: ${error.message} (${limitMs} ms)`);
    });
    const output = await response.text();
    const code = response.headers.get("X-Exit-Code");
    if (code === "0") return output.trim();
    throw new Error(`in the guest: ${script}: exit ${code ?? response.status}\n${output}`);
  }

  /** Seconds since boot, by the guest's own clock. */
  async uptimeSeconds(): Promise<number> {
    return Number((await this.sh("cat /proc/uptime")).split(" ")[0]);
  }

  /** Plugs a USB disk in. */
  async plug(disk: GuestDisk): Promise<void> {
    const monitor = `${this.#directory}/monitor`;
    const file = { driver: "file", filename: disk.path };
    await qmp(monitor, "blockdev-add", { "node-name": disk.id, driver: "raw", file });
    const device = { driver: "usb-storage", id: disk.id, drive: disk.id, serial: disk.id };
    await qmp(monitor, "device_add", { ...device, bus: "usb.0" });
  }

  /** Pulls a USB disk out, whatever the guest does with it. */
  async pull(disk: GuestDisk): Promise<void> {
    const monitor = `${this.#directory}/monitor`;
    await qmp(monitor, "device_del", { id: disk.id });
    // QEMU lets go of it a moment later.
    await until(
      () => qmp(monitor, "blockdev-del", { "node-name": disk.id }).then(() => true, () => false),
      `QEMU to let go of ${disk.id}`,
    );
  }

  /** Presses the power button. Boards with a device tree have none that gokrazy listens to. */
  async pressPowerButton(): Promise<void> {
    await qmp(`${this.#directory}/monitor`, "system_powerdown");
  }

  /** Waits until the machine has switched itself off. */
  async ended(): Promise<void> {
    await until(async () => !await this.runs(), "the machine to switch off", END_LIMIT_MS);
  }

  /** Ends QEMU, if it still runs: as if the plug were pulled. */
  async [Symbol.asyncDispose](): Promise<void> {
    await endMachine(this.#directory);
  }
}
