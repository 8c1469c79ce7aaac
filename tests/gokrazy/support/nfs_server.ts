/**
 * An NFSv4 server in user space: nfs-ganesha, which exports directories of this machine on a port that is
 * reached from this machine alone. It runs as a daemon, so that it outlives the scenario that starts it.
 *
 * @see https://github.com/nfs-ganesha/nfs-ganesha/wiki, ganesha-config(8), ganesha-core-config(8)
 * @module
 */
import { run } from "../../support/command.ts";
import { until } from "../../support/wait.ts";

/** What it needs on the host; the VFS back end opens files by handle, which root alone may. */
export const NFS_PROGRAMS = ["ganesha.nfsd"] as const;

/** How long it waits, after its own start, for clients that come back. */
const GRACE_SECONDS = 5;

/** One export a name: the directory of that name, as `/NAME`. */
function configText(directory: string, port: number, names: readonly string[]): string {
  const exports = names.map((name, i) => `
EXPORT {
  Export_Id = ${i + 1}; Path = "${directory}/${name}"; Pseudo = "/${name}";
  Protocols = 4; Transports = TCP; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
  FSAL { Name = VFS; }
}`);
  return `NFS_CORE_PARAM {
  Protocols = 4; NFS_Port = ${port}; Bind_addr = 127.0.0.1;
  Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
}
NFSv4 {
  RecoveryBackend = fs; RecoveryRoot = "${directory}/recovery";
  Grace_Period = ${GRACE_SECONDS}; Lease_Lifetime = ${GRACE_SECONDS}; Only_Numeric_Owners = true;
}
${exports.join("")}
`;
}

/** The server that runs in a directory; the pid alone could be somebody else's by now. */
async function serverProcess(directory: string): Promise<number | undefined> {
  const pid = Number(await Deno.readTextFile(`${directory}/ganesha.pid`).catch(() => "0"));
  const line = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
  return line.includes(`${directory}/ganesha.conf`) ? pid : undefined;
}

/** Ends the server that runs in a directory, as by a power cut; says whether there was one. */
export async function endNfsServer(directory: string): Promise<boolean> {
  const pid = await serverProcess(directory);
  if (pid === undefined) return false;
  Deno.kill(pid, "SIGKILL");
  const gone = async () => await serverProcess(directory) === undefined;
  await until(gone, "the NFS server to be gone");
  return true;
}

/** A port that nobody listens on now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server; it can be killed and started again, on the same port. */
export class NfsServer implements AsyncDisposable {
  readonly port = freePort();

  private constructor(readonly directory: string) {}

  /** Makes a directory for each name in `directory`, exports them and serves. */
  static async make(directory: string, names: readonly string[]): Promise<NfsServer> {
    const server = new NfsServer(directory);
    for (const name of [...names, "recovery"]) await Deno.mkdir(`${directory}/${name}`);
    const text = configText(directory, server.port, names);
    await Deno.writeTextFile(`${directory}/ganesha.conf`, text);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { directory, port } = this;
    const file = (name: string) => `${directory}/ganesha.${name}`;
    await run("ganesha.nfsd", "-f", file("conf"), "-L", file("log"), "-p", file("pid"));
    const answers = async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        return false;
      }
    };
    await until(answers, `the NFS server on port ${port}; see ${directory}/ganesha.log`);
  }

  /** Kills it, as by a power cut: connections are refused from then on. */
  async kill(): Promise<void> {
    await endNfsServer(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
