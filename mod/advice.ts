/**
 * Where rest-server's own defaults, or this program's variables, can surprise.
 *
 * @module
 */
import { type Config, GOKRAZY_STOP_MAX_MS } from "./config.ts";
import type { Platform } from "./exit.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { MS_RDONLY } from "./linux.ts";
import { splitOptions } from "./mount_options.ts";
import {
  flagValues,
  isOn,
  type Listen,
  parseServerArgs,
  SERVER_FLAGS,
  strayWords,
} from "./server_args.ts";

/** Whether only programs of this machine can reach an address. */
function isLocal(listen: Listen): boolean {
  return listen.kind === "unix" || /^(localhost|127\..*|::1)$/i.test(listen.host);
}

/** What is known of the surroundings. */
export interface Surroundings {
  readonly platform: Platform;
  /** A socket was handed over: `--listen` does not count. */
  readonly socketActivated: boolean;
  /** Whether a mount was asked for. */
  readonly mounted: boolean;
}

/** Advice on rest-server's flags. */
export function adviseServer(args: readonly string[], around: Surroundings): Finding[] {
  const { warning } = findingsOf("server");
  const values = flagValues(args);
  const { listen, tls, usesHtpasswd, path } = parseServerArgs(args);
  const findings: Finding[] = [];
  const warn = (name: string, text: string, cure: string) =>
    findings.push(warning(name, text, cure));

  const unknown = [...values.keys()].filter((name) => !Object.hasOwn(SERVER_FLAGS, name));
  for (const name of unknown) {
    warn("flags", `rest-server 0.14 knows no flag --${name}`, "see rest-server --help");
  }
  // Beside an unknown flag a word is most likely its value.
  for (const word of unknown.length > 0 ? [] : strayWords(args)) {
    const text = `rest-server takes no words, and would end at ${JSON.stringify(word)}`;
    warn("words", text, "leave it out; check, status, help and version are the first word or none");
  }
  if (!around.mounted && path === undefined) {
    const where = around.platform === "gokrazy"
      ? "memory, gone at the next boot"
      : "gone at a boot";
    warn("--path", `--path is not given: backups go to /tmp/restic (${where})`, "give --path");
  }
  const local = isLocal(listen);
  const everywhere = listen.kind === "tcp" && ["", "0.0.0.0", "::"].includes(listen.host);
  if (!values.has("listen") && !around.socketActivated) {
    warn(
      "--listen",
      "--listen is not given: rest-server listens on all interfaces, port 8000",
      "give --listen ADDRESS:8000, or --listen :8000 where that is meant",
    );
  }
  const reach = everywhere ? "on all interfaces" : "on the network";
  if (isOn(values, "no-auth") && !local) {
    warn(
      "--no-auth",
      `--no-auth ${reach}: whoever reaches the port can read, write and delete all`,
      "make a password file, or listen on 127.0.0.1 behind a proxy that asks who it is",
    );
  }
  if (values.has("proxy-auth-username") && !local) {
    warn(
      "--proxy-auth-username",
      `--proxy-auth-username ${reach}: whoever reaches the port past the proxy can be any user`,
      "listen on 127.0.0.1 or a unix socket",
    );
  }
  if (usesHtpasswd && !tls && !local) {
    warn(
      "--tls",
      "passwords go over the network in the clear: --tls is not given",
      "give --tls, or listen on 127.0.0.1 behind a proxy that has it",
    );
  }
  if (usesHtpasswd && !isOn(values, "private-repos")) {
    warn(
      "--private-repos",
      "every user can read, write and delete every other one's backups: --private-repos is not given",
      "give --private-repos",
    );
  }
  if (!isOn(values, "append-only")) {
    warn(
      "--append-only",
      "a client that was broken into can delete its backups: --append-only is not given",
      "give --append-only, and prune from a machine that is trusted",
    );
  }
  return findings;
}

/** Why the version of NFS in these options is not to be trusted; `undefined` for one that is. */
function versionFault(fstype: string, options: readonly string[]): string | undefined {
  const version = options.flatMap((text) => /^(?:nfsvers|vers)=(.*)$/.exec(text)?.[1] ?? []).at(-1);
  if (version === undefined) return `no vers= with ${fstype}: its version is left to the kernel`;
  const minor2 = version === "4" && options.includes("minorversion=2");
  return version === "4.2" || minor2 ? "NFS 4.2" : undefined;
}

/** Advice on an NFS export, which the kernel mounts without the help of mount.nfs(8). */
function adviseNfs(fstype: string, data: string): Finding[] {
  const { warning, error } = findingsOf("mount");
  const options = splitOptions(data);
  const fault = versionFault(fstype, options);
  return [
    ...fault === undefined ? [] : [warning(
      "NFS",
      `${fault}; with 4.2, files were read back as zeros from nfs-ganesha (READ_PLUS)`,
      "add vers=4.1 to MNT_DATA",
    )],
    ...options.some((text) => text.startsWith("addr=")) ? [] : [error(
      "NFS",
      "the kernel does not look up names, and addr= is missing",
      "add addr= with the number of the server to MNT_DATA",
    )],
    ...options.includes("soft") ? [] : [warning(
      "NFS",
      "without soft the kernel waits for ever for a server that is away",
      "add soft,timeo=100,retrans=1 to MNT_DATA",
    )],
  ];
}

/** Advice on the mount. */
export function adviseMount(
  config: Config,
  fstype: string | null,
  platform: Platform,
): Finding[] {
  const { warning } = findingsOf("mount");
  const { mount } = config;
  if (mount === null) return [];
  return [
    ...fstype === "nfs" || fstype === "nfs4" ? adviseNfs(fstype, mount.data) : [],
    ...mount.flags & MS_RDONLY
      ? [warning(
        "options",
        "read-only: restores work, backups do not",
        "leave ro out of MNT_OPTIONS to take backups",
      )]
      : [],
    ...config.watchMs === 0
      ? [warning(
        "MNT_WATCH",
        "MNT_WATCH=0: a disk that is pulled out is not noticed",
        "leave MNT_WATCH unset",
      )]
      : [],
    ...platform === "gokrazy" && config.stopMs > GOKRAZY_STOP_MAX_MS
      ? [warning(
        "MNT_STOP",
        `MNT_STOP is cut to ${
          GOKRAZY_STOP_MAX_MS / 1000
        } s: gokrazy kills everything 100 s after SIGTERM`,
        "leave MNT_STOP unset",
      )]
      : [],
  ];
}
