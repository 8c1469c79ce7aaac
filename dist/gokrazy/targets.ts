/**
 * What differs between the two architectures of gokrazy that the package is made for.
 *
 * @module
 */

export interface Target {
  /** As Go, gokrazy and Debian name it. */
  readonly arch: "arm64" | "amd64";
  /** As `deno compile --target` names it. */
  readonly deno: string;
  /** As GCC and Debian's cross compilers name it. */
  readonly gnu: string;
  /** Debian's packages with the headers and the static library of C for this architecture. */
  readonly libcDev: string;
  /** The npm package of Deno's own executable, and the SHA-512 of its archive as npm writes it. */
  readonly denoPackage: { readonly name: string; readonly integrity: string };
  /** The loader that Deno's executable names: its path is fixed. */
  readonly loader: string;
  /** The libraries that Deno's executable needs, from Debian's libc6 and libgcc-s1. */
  readonly libraries: readonly string[];
}

export type Arch = Target["arch"];

/** The version of Deno in the image, by which the checksums below were taken. */
export const DENO_VERSION = "2.9.5";

export const TARGETS: Readonly<Record<Arch, Target>> = {
  arm64: {
    arch: "arm64",
    deno: "aarch64-unknown-linux-gnu",
    gnu: "aarch64-linux-gnu",
    libcDev: "libc6-dev-arm64-cross",
    denoPackage: {
      name: "@deno/linux-arm64-glibc",
      integrity:
        "sha512-IuYjsz9PGl7CJcNXMuN27KNDB8Q40brK3SG3l+TXMDVW61ZKwcn0fQHBHnXFiiygEwI8by/fKnASEluhZB1atw==",
    },
    loader: "/lib/ld-linux-aarch64.so.1",
    libraries: ["libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0"],
  },
  amd64: {
    arch: "amd64",
    deno: "x86_64-unknown-linux-gnu",
    gnu: "x86_64-linux-gnu",
    libcDev: "libc6-dev-amd64-cross",
    denoPackage: {
      name: "@deno/linux-x64-glibc",
      integrity:
        "sha512-TDqcnoLe3jlgqYEQm7H7MK6q0JOth+o8iSZzknRODnVkJfPiNnjVn1M1Zc6vnp+ipkyb6Av1/CUlHgHtlq59Gw==",
    },
    loader: "/lib64/ld-linux-x86-64.so.2",
    libraries: [
      "libc.so.6",
      "libdl.so.2",
      "libgcc_s.so.1",
      "libm.so.6",
      "libpthread.so.0",
      "librt.so.1",
    ],
  },
};
