/** What is looked at before a file goes into the image. */
import assert from "node:assert/strict";
import { libcVersion } from "../../dist/gokrazy/blkid.ts";
import { isStatic } from "../../dist/gokrazy/elf.ts";
import { libraryFolder } from "../../dist/gokrazy/glibc.ts";
import { formatSize } from "../../dist/gokrazy/image.ts";
import { DENO_VERSION } from "../../dist/gokrazy/targets.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

for (
  const [what, list, folder] of [
    ["Debian's", "/lib/aarch64-linux-gnu/\0/usr/lib/aarch64-linux-gnu/\0/lib/\0/usr/lib/", "/lib"],
    ["Fedora's", "/lib64/\0/usr/lib64/", "/lib64"],
    ["Arch's", "/usr/lib/", "/usr/lib"],
    ["one that names none", "/opt/lib/", undefined],
  ] as const
) {
  Deno.test(`libraryFolder() of ${what} loader`, () => {
    assert.equal(libraryFolder(bytes(`ELF\0junk\0${list}\0more`)), folder);
  });
}

/** The beginning of a 64-bit ELF file with program headers of these types. */
function elf(types: readonly number[]): Uint8Array {
  const header = new DataView(new ArrayBuffer(64 + 56 * types.length));
  header.setBigUint64(32, 64n, true);
  header.setUint16(54, 56, true);
  header.setUint16(56, types.length, true);
  types.forEach((type, index) => header.setUint32(64 + 56 * index, type, true));
  return new Uint8Array(header.buffer);
}

Deno.test("isStatic() is false where a program header names a loader, wherever it stands", () => {
  assert.equal(isStatic(elf([1, 1, 4])), true);
  assert.equal(isStatic(elf([6, 3, 1])), false);
  assert.equal(isStatic(elf([1, 3])), false);
});

Deno.test("isStatic() is false for a file that is cut", () => {
  assert.equal(isStatic(elf([1, 1, 4]).subarray(0, 100)), false);
  assert.equal(isStatic(new Uint8Array(20)), false);
});

Deno.test("libcVersion() finds the version in the library's own words", () => {
  const said = "\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\0";
  assert.equal(libcVersion(said), "Debian GLIBC 2.36-9+deb12u14");
  assert.equal(libcVersion("musl"), "of an unknown version");
});

for (const [size, text] of [[1, "1 kB"], [928976, "929 kB"], [84842080, "84.8 MB"]] as const) {
  Deno.test(`formatSize() of ${size}`, () => assert.equal(formatSize(size), text));
}

Deno.test("the Deno in the image is the one that the tests run with", async () => {
  const ci = await Deno.readTextFile(new URL("../../.ci/run", import.meta.url));
  assert.ok(ci.includes(`deno@${DENO_VERSION}"`));
});
