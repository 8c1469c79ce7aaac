/**
 * What the demo decides and says: text in, data out.
 *
 * @module
 */

export const HELP = `deno task demo [--stay]

A real backup on a real mounted file system: gets rest-server and restic, makes a disk (as root a 256 MB
ext4 image on a loop device, else a tmpfs in a user namespace), runs the program on it, backs up the files
of this repository, checks, restores and compares them, and takes everything down again.

  --stay   keep serving after that, until Ctrl-C
`;

/** Exit codes of the demo itself; a signal that ends it gives 128 and its number. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 64;
export const EXIT_INTERRUPTED = 130;

/** The demo's arguments. @throws {SyntaxError} for any that it does not know. */
export function parseDemoArgs(args: readonly string[]): { stay: boolean; help: boolean } {
  const unknown = args.find((argument) => !["--stay", "--help", "-h"].includes(argument));
  if (unknown !== undefined) {
    throw new SyntaxError(`Unknown option "${unknown}": the demo takes --stay and --help`);
  }
  return { stay: args.includes("--stay"), help: args.includes("--help") || args.includes("-h") };
}

export type DiskKind = "ext4" | "tmpfs";

/**
 * The arguments of unshare(1) for mounts that nobody else sees and that end with the last process in
 * there. Without root it takes a user namespace, in which we count as root.
 */
export function unshareArgs(kind: DiskKind): string[] {
  const user = kind === "tmpfs" ? ["--user", "--map-root-user"] : [];
  return [...user, "--mount", "--propagation", "private", "--"];
}

/**
 * Covers /run, where the program keeps its lock: a user may not write there, and root's /run stays clean.
 */
export const PRIVATE_RUN = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"] as const;

/** The kernel's switches for user namespaces; undefined where the kernel has no such file. */
export interface NamespaceSwitches {
  /** /proc/sys/kernel/apparmor_restrict_unprivileged_userns */
  readonly apparmor: string | undefined;
  /** /proc/sys/kernel/unprivileged_userns_clone */
  readonly clone: string | undefined;
  /** /proc/sys/user/max_user_namespaces */
  readonly max: string | undefined;
}

/** Why a private mount namespace cannot be had, and what to do. */
export function explainNamespace(
  kind: DiskKind,
  said: string,
  switches: NamespaceSwitches,
): string {
  if (kind === "ext4") {
    return `Cannot mount here, even as root: ${said}
  a container needs CAP_SYS_ADMIN for it: docker run --privileged, or run the demo on the host`;
  }
  const cure = switches.apparmor === "1"
    ? "AppArmor forbids it: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    : switches.clone === "0"
    ? "the kernel is told so: sudo sysctl kernel.unprivileged_userns_clone=1"
    : switches.max === "0"
    ? "the kernel is told so: sudo sysctl user.max_user_namespaces=10000"
    : "a container's seccomp profile often forbids it, or the kernel was built without it";
  return `Cannot make a user and mount namespace, in which a user may mount: ${said}
  ${cure}
  or run the demo as root`;
}

/** The environment without what would change the program or restic, and with these variables. */
export function demoEnvironment(
  environment: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(environment).filter(([name]) => !/^(MNT|RESTIC)_/.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

/** `start server on 127.0.0.1:8000` -> `127.0.0.1:8000`; undefined for any other line. */
export function parseListening(line: string): string | undefined {
  return /start server on (\S+:\d+)/.exec(line)?.[1];
}

/** The line of restic's output that tells most: its result. */
export function resticResult(lines: readonly string[]): string {
  const telling =
    /^(created restic repository|snapshot \S+ saved|no errors were found|Summary: Restored)/;
  return lines.find((line) => telling.test(line)) ?? lines.findLast((line) => line !== "") ?? "";
}

/** `1234567` -> `1.2 MB`. */
export function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** One finished step: name, time, result. */
export function stepLine(name: string, ms: number, result: string): string {
  return `${name.padEnd(9)} ${(ms / 1000).toFixed(2).padStart(6)} s  ${result}`;
}

/** A line that another program printed, set apart from the demo's own. */
export function quoted(line: string): string {
  return `                    | ${line}`;
}

/** How to use the server that `--stay` leaves running. */
export function stayText(url: string, restic: string, password: string): string {
  return `
Serving ${url} until Ctrl-C; from another terminal:
  export RESTIC_REPOSITORY=rest:${url}demo RESTIC_PASSWORD=${password}
  ${restic} snapshots
  ${restic} backup /etc/hostname
`;
}
