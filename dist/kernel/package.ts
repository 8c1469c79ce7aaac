/**
 * What a gokrazy kernel package is made of, but for the kernel itself: text in, data out.
 *
 * @module
 */
import { snapshotUrl } from "../gokrazy/apt_text.ts";
import { textDigest } from "../tools/digest.ts";

/** The Go import path of the package: what `KernelPackage` in a gokrazy's config.json names. */
export const KERNEL_PACKAGE = "restic-rest-server/kernel.btrfs";

/** What went into a kernel. */
export interface Origin {
  /** The Debian package with the source. */
  readonly source: string;
  /** Its version. */
  readonly version: string;
  /** SHA-256 of the package file, in hex. */
  readonly sha256: string;
  /** Names and versions of compiler and linker. */
  readonly compiler: string;
}

/** The text files of the package by name. `gok` adds its own root= and console= to cmdline.txt. */
export function packageFiles(origin: Origin, config: string): Record<string, string> {
  return {
    "go.mod": `module ${KERNEL_PACKAGE}\n\ngo 1.22\n`,
    "kernel.go":
      "// Package kernel is empty: it is here so that the go tool finds the folder.\npackage kernel\n",
    "cmdline.txt": "root=/dev/sda2 ro init=/gokrazy/init rootwait panic=10 oops=panic\n",
    // The Raspberry Pi's firmware would read it; gok wants it to be there.
    "config.txt": "",
    "config": config,
    "SOURCE.txt": `vmlinuz is Linux, under the GNU General Public License, version 2.
Source: Debian package ${origin.source} ${origin.version} (SHA-256 ${origin.sha256}),
  from ${snapshotUrl({ name: "linux", version: origin.version })}
Configuration: the file "config" beside this one.
Compiler and linker: ${origin.compiler}
`,
  };
}

/** What distinguishes one kernel from another: the folder of the cache that keeps it. */
export function kernelKey(
  origin: Origin,
  fragment: string,
  recipe: readonly string[],
): string {
  const parts = [
    origin.source,
    origin.version,
    origin.sha256,
    origin.compiler,
    fragment,
    ...recipe,
  ];
  return textDigest(parts.join("\0")).slice(0, 16);
}

/** How many bytes {@linkcode isArm64Image} looks at. */
export const IMAGE_HEADER_BYTES = 64;

/**
 * Whether a file begins as an uncompressed arm64 kernel does, by the kernel's
 * Documentation/arm64/booting.rst: gok refuses another one.
 */
export function isArm64Image(header: Uint8Array): boolean {
  return header.length >= IMAGE_HEADER_BYTES &&
    new TextDecoder("latin1").decode(header.subarray(0x38, 0x3c)) === "ARM\x64";
}
