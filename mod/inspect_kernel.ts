/**
 * What `check` asks of the kernel: whether it has the file system.
 *
 * @module
 */
import { type Finding, findingsOf } from "./findings.ts";
import { findSupport } from "./kernel_filesystems.ts";
import { readTextIfAny } from "./paths.ts";
import type { World } from "./world.ts";

const { ok, error } = findingsOf("disk");
const NAME = "file system";

/** Looks in `/proc/filesystems`, and among the modules of this kernel. */
export async function inspectKernel(fstype: string, { files }: World): Promise<Finding> {
  const release = (await readTextIfAny("/proc/sys/kernel/osrelease", files))?.trim();
  const modprobe = (await readTextIfAny("/proc/sys/kernel/modprobe", files))?.trim() ?? "";
  const support = findSupport(fstype, {
    filesystems: await readTextIfAny("/proc/filesystems", files) ?? "",
    aliases: await readTextIfAny(`/lib/modules/${release}/modules.alias`, files),
    modprobe: modprobe !== "" && await files.stat(modprobe).catch(() => null) !== null,
  });
  switch (support.kind) {
    case "here":
      return ok(NAME, `this kernel has ${fstype}`);
    case "module":
      return ok(NAME, `this kernel loads ${fstype} as the module ${support.module}`);
    case "unloaded": {
      const text =
        `this kernel has ${fstype} as the module ${support.module}, which is not loaded, ` +
        "and no modprobe to load it";
      return error(NAME, text, `load ${support.module} before this program starts`);
    }
    case "none": {
      const has = support.has.length === 0 ? "none that can be read" : support.has.join(", ");
      return error(
        NAME,
        `this kernel has no file system "${fstype}"; it has ${has}`,
        "use a kernel with it, or a disk with another file system; in a container, load its module on the host",
      );
    }
  }
}

/** File systems that the driver of another name mounts, too. */
const KIN: readonly (readonly string[])[] = [
  ["ext2", "ext3", "ext4"],
  ["vfat", "msdos"],
  ["ntfs", "ntfs3"],
];

/** Whether what is to be mounted is what blkid sees. */
export function compareTypes(fstype: string, blkidType: string | undefined): Finding[] {
  const fits = blkidType === undefined || blkidType === fstype ||
    KIN.some((names) => names.includes(blkidType) && names.includes(fstype));
  const text = `MNT_FSTYPE=${fstype}, but blkid sees ${blkidType}`;
  return fits ? [] : [error(NAME, text, `set MNT_FSTYPE=${blkidType}, or leave it unset`)];
}
