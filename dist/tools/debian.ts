/**
 * Gets missing programs of the system: as root on Debian and its kin by apt-get, saying so.
 *
 * @module
 */
import { CommandError, findProgram, runCommand } from "./command.ts";

/** The Debian package of each program that the tasks and tests may lack. */
export const PACKAGES: Readonly<Record<string, string>> = {
  "blkid": "util-linux",
  "unshare": "util-linux",
  "losetup": "mount",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.btrfs": "btrfs-progs",
  "mkfs.xfs": "xfsprogs",
  "cryptsetup": "cryptsetup-bin",
  "mkntfs": "ntfs-3g",
  "pvcreate": "lvm2",
  "e2fsck": "e2fsprogs",
  "debugfs": "e2fsprogs",
  "mkfs.vfat": "dosfstools",
  "mkfs.exfat": "exfatprogs",
  "fsck.exfat": "exfatprogs",
  "mcopy": "mtools",
  "qemu-system-aarch64": "qemu-system-arm",
  // The user-space NFS server, with the back end that exports directories.
  "ganesha.nfsd": "nfs-ganesha-vfs",
  // A gcc alone brings no headers of the C library.
  "gcc": "build-essential",
  "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
  "x86_64-linux-gnu-gcc": "gcc-x86-64-linux-gnu",
  "x86_64-linux-gnu-strip": "binutils-x86-64-linux-gnu",
  "dpkg-source": "dpkg-dev",
  "xz": "xz-utils",
  "dpkg-deb": "dpkg",
  "systemd-analyze": "systemd",
  "man": "man-db",
  "groff": "groff-base",
};

/** What is missing and cannot be installed from here, and how to get it. */
export function missingText(missing: readonly string[]): string {
  const packages = [...new Set(missing.map((program) => PACKAGES[program] ?? program))].join(" ");
  const are = missing.length === 1 ? "is" : "are";
  return `${missing.join(", ")} ${are} missing: install ${packages} (apt install ${packages})`;
}

/** Installs; the lists of packages are only fetched where the ones at hand do not do. */
async function install(packages: readonly string[], signal?: AbortSignal): Promise<void> {
  // Offline, systemctl(1) starts nothing: a service that comes with a program is not to run on this machine.
  const quiet = { DEBIAN_FRONTEND: "noninteractive", SYSTEMD_OFFLINE: "1" };
  const environment = { ...Deno.env.toObject(), ...quiet };
  const aptGet = (...args: string[]) => runCommand("apt-get", args, { environment, signal });
  const args = ["install", "-y", "--no-install-recommends", ...packages];
  try {
    await aptGet(...args);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    await aptGet("update");
    await aptGet(...args);
  }
}

/**
 * The paths of these programs; what is missing is installed where we are root and there is apt-get.
 *
 * @throws {Error} that names what is missing and its package, where it cannot be installed.
 */
export async function ensurePrograms(
  names: readonly string[],
  progress: (line: string) => void,
  signal?: AbortSignal,
): Promise<Record<string, string>> {
  const find = async () => {
    const found = await Promise.all(names.map(async (name) => [name, await findProgram(name)]));
    return Object.fromEntries(found) as Record<string, string | undefined>;
  };
  const lacking = (paths: Record<string, string | undefined>) =>
    names.filter((name) => paths[name] === undefined);

  let paths = await find();
  const missing = lacking(paths);
  if (missing.length > 0 && Deno.uid() === 0 && await findProgram("apt-get") !== undefined) {
    const packages = [...new Set(missing.map((program) => PACKAGES[program] ?? program))];
    progress(`${missing.join(", ")} not found: installing ${packages.join(" ")} by apt-get`);
    await install(packages, signal);
    paths = await find();
  }
  const still = lacking(paths);
  if (still.length > 0) throw new Error(missingText(still));
  return paths as Record<string, string>;
}

/**
 * Sees to it that a package is here that brings no program: installed where we are root and there is
 * apt-get, and `isThere` says that it is not.
 *
 * @throws {Error} that names it, where it cannot be installed.
 */
export async function ensurePackage(
  name: string,
  isThere: () => Promise<boolean>,
  progress: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (await isThere()) return;
  if (Deno.uid() === 0 && await findProgram("apt-get") !== undefined) {
    progress(`${name} is missing: installing it by apt-get`);
    await install([name], signal);
  }
  if (!await isThere()) throw new Error(`${name} is missing: install it (apt install ${name})`);
}
