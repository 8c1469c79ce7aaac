/**
 * What the wrapper must know of rest-server's flags. Every argument still goes to rest-server as it came.
 *
 * @module
 */

/** rest-server 0.14's flags; `value` tells those that take one. A test holds this against `rest-server --help`. */
export const SERVER_FLAGS: Readonly<Record<string, { readonly value: boolean }>> = {
  "append-only": { value: false },
  "cpu-profile": { value: true },
  "debug": { value: false },
  "group-accessible-repos": { value: false },
  "help": { value: false },
  "htpasswd-file": { value: true },
  "listen": { value: true },
  "log": { value: true },
  "max-size": { value: true },
  "no-auth": { value: false },
  "no-verify-upload": { value: false },
  "path": { value: true },
  "private-repos": { value: false },
  "prometheus": { value: false },
  "prometheus-no-auth": { value: false },
  "proxy-auth-username": { value: true },
  "tls": { value: false },
  "tls-cert": { value: true },
  "tls-key": { value: true },
  "tls-min-ver": { value: true },
  "version": { value: false },
};

/** Where rest-server is to listen. */
export type Listen =
  | { readonly kind: "tcp"; readonly host: string; readonly port: string }
  | { readonly kind: "unix"; readonly path: string };

/** A TCP address as `--listen` takes it: an IPv6 address stands in brackets. */
export function formatAddress(host: string, port: string): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The flags that decide what must be there before rest-server starts; paths are as given. */
export interface ServerArgs {
  /** Undefined where not given: rest-server then takes `/tmp/restic`. */
  readonly path: string | undefined;
  readonly listen: Listen;
  /** Whether clients prove who they are with `.htpasswd`. */
  readonly usesHtpasswd: boolean;
  readonly htpasswdFile: string | undefined;
  readonly tls: boolean;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** The file of `--log`; undefined for stdout, too. */
  readonly log: string | undefined;
  readonly cpuProfile: string | undefined;
}

/** What Go's strconv.ParseBool takes for true. */
const TRUE = /^(1|t|T|TRUE|true|True)$/;

/** Whether a flag without a value of its own is given, and not switched off. */
export function isOn(values: ReadonlyMap<string, string>, name: string): boolean {
  return TRUE.test(values.get(name) ?? "");
}

/** Arguments as pflag reads them: `--name value`, `--name=value`, the last wins, `--` ends them; the rest is words. */
function readFlags(args: readonly string[]): { values: Map<string, string>; words: string[] } {
  const values = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return { values, words: [...words, ...args.slice(i + 1)] };
    if (!arg.startsWith("-") || arg === "-") words.push(arg);
    if (!arg.startsWith("--")) continue;
    const equals = arg.indexOf("=");
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    if (equals >= 0) values.set(name, arg.slice(equals + 1));
    else if (SERVER_FLAGS[name]?.value) values.set(name, args[++i] ?? "");
    else values.set(name, "true");
  }
  return { values, words };
}

/** The values of the flags, see {@linkcode readFlags}. */
export function flagValues(args: readonly string[]): Map<string, string> {
  return readFlags(args).values;
}

/** Words that are no flag and no value of one: rest-server refuses them all. */
export function strayWords(args: readonly string[]): string[] {
  return readFlags(args).words;
}

/** Parses an address of `--listen`: `unix:PATH`, `:8000`, `127.0.0.1:8000`, `[::1]:8000`. */
export function parseListen(address: string): Listen {
  if (address.startsWith("unix:")) return { kind: "unix", path: address.slice("unix:".length) };
  const colon = address.lastIndexOf(":");
  const host = colon < 0 ? address : address.slice(0, colon);
  return {
    kind: "tcp",
    host: host.replace(/^\[(.*)\]$/, "$1"),
    port: colon < 0 ? "" : address.slice(colon + 1),
  };
}

/**
 * Parses rest-server's arguments; what it would refuse itself is left to it.
 *
 * ```ts
 * parseServerArgs(["--path", "/mnt/restic", "--no-auth"]).path; // "/mnt/restic"
 * ```
 */
export function parseServerArgs(args: readonly string[]): ServerArgs {
  const values = flagValues(args);
  const on = (name: string) => isOn(values, name);
  const text = (name: string) => values.get(name) || undefined;
  return {
    path: text("path"),
    listen: parseListen(values.get("listen") ?? ":8000"),
    usesHtpasswd: !on("no-auth") && text("proxy-auth-username") === undefined,
    htpasswdFile: text("htpasswd-file"),
    tls: on("tls"),
    tlsCert: text("tls-cert"),
    tlsKey: text("tls-key"),
    log: text("log") === "-" ? undefined : text("log"),
    cpuProfile: text("cpu-profile"),
  };
}

/**
 * Resolves `.`, `..` and doubled slashes as text alone, as Go's filepath.Clean does: `path` against
 * `directory` where it is relative.
 */
export function resolvePath(path: string, directory: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** A file that rest-server reads at its start. */
export interface ServerFile {
  /** Absolute. */
  readonly path: string;
  /** A flag named it: then it can be a pipe, too. */
  readonly named: boolean;
  /** What it is, for a message. */
  readonly what: string;
  /** What to do where it cannot be read. */
  readonly cure: string;
}

/**
 * The password file and the TLS files: below `--path` by their usual names, or where a flag says.
 *
 * @param path `--path`, absolute.
 * @param directory the working directory, for relative names.
 */
export function serverFiles(args: ServerArgs, path: string, directory: string): ServerFile[] {
  const file = (given: string | undefined, name: string) =>
    given === undefined
      ? { path: resolvePath(name, path), named: false }
      : { path: resolvePath(given, directory), named: true };
  const htpasswd = file(args.htpasswdFile, ".htpasswd");
  const folder = resolvePath("..", htpasswd.path);
  return [
    ...args.usesHtpasswd
      ? [{
        ...htpasswd,
        what: "the password file",
        // Where it is missed, the disk is unmounted again at once: made then, it would lie beside it.
        cure: `make it with: mkdir -p "${folder}" && htpasswd -B -c "${htpasswd.path}" USER ` +
          "(mount the disk first, where it lies there), or give --no-auth to serve everybody",
      }]
      : [],
    ...args.tls
      ? [
        {
          ...file(args.tlsCert, "public_key"),
          what: "the TLS certificate",
          cure: "give --tls-cert, or leave out --tls",
        },
        {
          ...file(args.tlsKey, "private_key"),
          what: "the TLS key",
          cure: "give --tls-key, or leave out --tls",
        },
      ]
      : [],
  ];
}
