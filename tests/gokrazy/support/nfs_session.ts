/**
 * A booted system with two services on exports of an NFS server of this machine.
 *
 * @module
 */
import assert from "node:assert/strict";
import { restic } from "../../support/restic.ts";
import { listens, mountCount, startBackup, untilInGuest, writeRandom } from "./backup.ts";
import { KERNELS } from "./kernels.ts";
import { NFS_PROGRAMS, NfsServer } from "./nfs_server.ts";
import { Session } from "./session.ts";

/** A service on an export of its own, `/NAME`. */
export interface NfsService {
  readonly name: string;
  readonly port: number;
  /** Of the mount, besides the addresses. */
  readonly data: string;
}

/** As README.md recommends it. */
export const SOFT: NfsService = { name: "soft", port: 8000, data: ",soft,timeo=100,retrans=1" };
/** The kernel's default, which waits for its server for ever; what it knows of the export holds for 1 s. */
export const HARD: NfsService = { name: "hard", port: 8001, data: ",actimeo=1" };
export const SERVICES: readonly NfsService[] = [SOFT, HARD];
/** How long rest-server gets between SIGTERM and SIGKILL. */
const STOP_SECONDS = 5;
/** What waits for the guest's kernel. */
export const LIMIT_MS = 300_000;

/** Not `/perm/NAME`: where that is there, gokrazy makes it the working directory of the service. */
export const target = ({ name }: NfsService) => `/perm/on-${name}`;
const config = ({ name }: NfsService) => `/perm/config/${name}`;

/** Scenarios on that system. */
export class NfsSession extends Session {
  #server: NfsServer | undefined;

  constructor() {
    const services = SERVICES.map((service) => ({
      name: service.name,
      starts: false,
      environment: {
        MNT_TARGET: target(service),
        MNT_CONFIG_DIR: config(service),
        MNT_STOP: String(STOP_SECONDS),
      },
      flags: ["--no-auth", `--listen=:${service.port}`, `--path=${target(service)}/restic`],
    }));
    super({ name: "nfs", kernel: KERNELS.rpi, engine: "script", services }, {
      ports: SERVICES.map(({ port }) => port),
      reachesHost: true,
      needs: ["root", ...NFS_PROGRAMS.map((program) => `program:${program}` as const)],
    });
  }

  get server(): NfsServer {
    if (this.#server === undefined) throw new Error("no NFS server: see the first failure above");
    return this.#server;
  }

  /** Boots, and serves on both exports. */
  async bootAndServe(): Promise<void> {
    const machine = await this.boot();
    const directory = `${await this.directory()}/nfs`;
    await Deno.mkdir(directory);
    this.#server = await NfsServer.make(directory, SERVICES.map(({ name }) => name));
    for (const service of SERVICES) {
      await this.#configure(service);
      await this.serveOn(service);
      assert.equal(await mountCount(machine, target(service)), 1);
    }
  }

  /** The port of the server is known only now, so the services read it from a file. */
  async #configure(service: NfsService): Promise<void> {
    const { name, data } = service;
    const directory = `${config(service)}/env/restic-rest-server`;
    const base = `addr=10.0.2.2,vers=4.1,port=${this.server.port},clientaddr=10.0.2.15`;
    const lines = [`MNT_SOURCE=10.0.2.2:/${name}`, "MNT_FSTYPE=nfs4", `MNT_DATA=${base}${data}`];
    const text = lines.map((line) => `'${line}'`).join(" ");
    await this.machine.sh(
      `mkdir -p ${directory} && printf '%s\\n' ${text} > ${directory}/env.txt`,
    );
  }

  /** Starts a service and waits until it serves. */
  async serveOn({ name, port }: NfsService): Promise<void> {
    await this.machine.web.press("restart", name);
    await untilInGuest(this.machine, listens(port));
  }

  /** A backup that is in the middle of writing to the export. */
  async backupUnderWay(service: NfsService): Promise<AsyncDisposable> {
    const { machine } = this;
    const source = `${await this.directory()}/big`;
    await writeRandom(source, 64);
    const packs = `find ${target(service)}/restic/data -type f | wc -l`;
    const before = Number(await machine.sh(packs));
    const backup = await startBackup(machine.address(service.port), source, 4096);
    await untilInGuest(machine, `[ "$(${packs})" -gt ${before} ]`);
    return backup;
  }

  /** All data is there, as a client sees it. */
  async checkServed({ port }: NfsService): Promise<void> {
    const address = this.machine.address(port);
    await restic(address, "unlock", "--remove-all");
    await restic(address, "check", "--read-data");
    assert.match(await restic(address, "snapshots"), /1 snapshots/);
  }

  /** Waits for a line that is no older than `since`, both by the guest's clock; gives when it was said. */
  async saidSince({ name }: NfsService, since: number, pattern: RegExp): Promise<number> {
    for (let count = 1;; count++) {
      const lines = await this.machine.web.log(name, pattern, { count, limitMs: LIMIT_MS });
      const seconds = Number(/ \+(\d+)s /.exec(lines.at(-1)!)?.[1]);
      // What the program asks, sysinfo(2), rounds up.
      if (seconds >= since) return seconds;
    }
  }

  /** The program and its rest-server: neither has changed where nothing was lost. */
  async processes({ port }: NfsService): Promise<string> {
    // Processes come and go beside it, which grep counts as errors.
    const script = `grep -l -a -e '[-]-listen=:${port}' /proc/[0-9]*/cmdline 2>/dev/null || true`;
    const found = await this.machine.sh(script);
    assert.equal(found.split("\n").length, 2, found);
    return found;
  }

  /** Kills the program, as a kernel that is out of memory does. */
  async killWrapper({ name }: NfsService): Promise<void> {
    const { Pid } = await this.machine.web.status(name);
    await this.machine.sh(`kill -9 ${Pid}`);
  }

  /** It has taken over the mount that the run before left, as its own, and serves all data. */
  async checkTakenOver(service: NfsService, since: number): Promise<void> {
    await this.saidSince(service, since, /took over the mount of .* left by an earlier run/);
    await untilInGuest(this.machine, listens(service.port));
    assert.equal(await mountCount(this.machine, target(service)), 1);
    await this.checkServed(service);
  }

  override close(): void {
    super.close(async () => await this.#server?.[Symbol.asyncDispose]());
  }
}
