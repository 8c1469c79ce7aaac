/**
 * Which file systems a kernel has, or can load.
 *
 * @module
 */

/** Whether mount(2) will know a file system. */
export type Support =
  | { readonly kind: "here" }
  /** mount(2) loads it by itself. */
  | { readonly kind: "module"; readonly module: string }
  /** It is there as a module, and nobody loads it. */
  | { readonly kind: "unloaded"; readonly module: string }
  | { readonly kind: "none"; readonly has: readonly string[] };

/** What a kernel says of its file systems. */
export interface KernelFacts {
  /** The text of `/proc/filesystems`. */
  readonly filesystems: string;
  /** The text of `modules.alias` of this kernel; `undefined` where there is none. */
  readonly aliases: string | undefined;
  /** Whether the program is there by which the kernel loads modules: `/proc/sys/kernel/modprobe`. */
  readonly modprobe: boolean;
}

/** Looks a file system up as the kernel does: `fuse.sshfs` is of `fuse` (`get_fs_type` in `fs/filesystems.c`). */
export function findSupport(fstype: string, facts: KernelFacts): Support {
  const name = fstype.split(".", 1)[0]!;
  const rows = facts.filesystems.split("\n").filter((line) => line !== "");
  if (rows.some((line) => line.split("\t")[1] === name)) return { kind: "here" };
  const wanted = `alias fs-${name} `;
  const alias = facts.aliases?.split("\n").find((line) => line.startsWith(wanted));
  const module = alias?.slice(wanted.length).trim();
  if (module !== undefined) return { kind: facts.modprobe ? "module" : "unloaded", module };
  return {
    kind: "none",
    has: rows.filter((line) => line.startsWith("\t")).map((line) => line.trim()),
  };
}
