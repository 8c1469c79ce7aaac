/**
 * The kernels that the tests boot. A test of another kernel hands in a {@linkcode Kernel} of its own.
 *
 * @module
 */

export interface Kernel {
  /** Go import path of the gokrazy kernel package: vmlinuz, lib/modules. */
  readonly package: string;
  /** Folder of the package, where it is no module pinned in dist/tools/gokrazy/go.mod. */
  readonly folder?: string;
  /**
   * `firmware`: UEFI and systemd-boot from the image, as on a real machine of this kind, with ACPI.
   * `direct`: QEMU loads vmlinuz itself; with a device tree, for kernels that have no EFI stub.
   */
  readonly boot: "firmware" | "direct";
}

export const KERNELS = {
  /** gokrazy's kernel for any 64-bit ARM machine: ext4, vfat, 9p; no exfat, no btrfs. */
  arm64: { package: "github.com/gokrazy/kernel.arm64", boot: "firmware" },
  /** The Raspberry Pi's own: ext4, vfat, exfat; no 9p, no btrfs. */
  rpi: { package: "github.com/gokrazy/kernel.rpi", boot: "direct" },
} as const satisfies Record<string, Kernel>;
