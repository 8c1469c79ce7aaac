/** The gokrazy package around the kernel: `dist/kernel/package.ts`. */
import assert from "node:assert/strict";
import {
  IMAGE_HEADER_BYTES,
  isArm64Image,
  KERNEL_PACKAGE,
  kernelKey,
  type Origin,
  packageFiles,
} from "../../dist/kernel/package.ts";

const ORIGIN: Origin = {
  source: "linux-source-6.1",
  version: "6.1.192-2",
  sha256: "ab".repeat(32),
  compiler: "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0",
};

Deno.test("the package is a Go package of its own name, without code", () => {
  const files = packageFiles(ORIGIN, "CONFIG_A=y\n");
  assert.match(files["go.mod"]!, new RegExp(`^module ${KERNEL_PACKAGE}\n`));
  assert.match(files["kernel.go"]!, /^package kernel$/m);
  assert.equal(files["config"], "CONFIG_A=y\n");
});

Deno.test("the command line has a root= that gok replaces, and gokrazy's init", () => {
  const words = packageFiles(ORIGIN, "")["cmdline.txt"]!.trim().split(" ");
  // gok looks for just these two words, /dev/mmcblk0p2 and /dev/sda2 (writeCmdline in its packer).
  assert.ok(words.includes("root=/dev/sda2"), words.join(" "));
  assert.ok(words.includes("init=/gokrazy/init"), words.join(" "));
});

Deno.test("SOURCE.txt names licence, source, its checksum and the compiler", () => {
  const text = packageFiles(ORIGIN, "")["SOURCE.txt"]!;
  for (const part of ["General Public License", ...Object.values(ORIGIN)]) {
    assert.ok(text.includes(part), part);
  }
});

Deno.test("kernelKey() is the same for the same input, and another for each that differs", () => {
  const key = (origin: Partial<Origin>, fragment = "CONFIG_A=y\n", recipe = ["Image"]) =>
    kernelKey({ ...ORIGIN, ...origin }, fragment, recipe);
  assert.match(key({}), /^[0-9a-f]{16}$/);
  assert.equal(key({}), key({}));
  const keys = [
    key({}),
    key({ source: "linux-source-6.12" }),
    key({ version: "6.1.192-3" }),
    key({ sha256: "cd".repeat(32) }),
    key({ compiler: "gcc 13" }),
    key({}, "CONFIG_B=y\n"),
    key({}, "CONFIG_A=y\n", ["Image.gz"]),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

Deno.test("isArm64Image() wants the magic at 0x38, and all of the header", () => {
  const header = new Uint8Array(IMAGE_HEADER_BYTES);
  assert.equal(isArm64Image(header), false);
  header.set([0x41, 0x52, 0x4d, 0x64], 0x38);
  assert.equal(isArm64Image(header), true);
  assert.equal(isArm64Image(header.subarray(0, 0x3c)), false);
  // Image.gz, which neither gok nor EFI takes.
  assert.equal(isArm64Image(Uint8Array.of(0x1f, 0x8b, ...header.subarray(2, 0x30))), false);
});
