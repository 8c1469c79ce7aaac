import assert from "node:assert/strict";
import * as linux from "../../mod/linux.ts";

const HEADERS = "/usr/include";

async function header(...names: string[]): Promise<string> {
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(`${HEADERS}/${name}`)));
  // A definition may go on in the next line.
  return texts.join("\n").replaceAll("\\\n", " ").replace(/\/\*[\s\S]*?\*\//g, "");
}

/** Names of a header that stand for a number: `#define MS_RDONLY 1`, `(1<<16)`, `00000002`, an alias. */
function definitions(text: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [, name, value] of text.matchAll(/^\s*#\s*define\s+([A-Z]\w*)\s+(.*?)\s*$/gm)) {
    const [, one, shift] = /^\(?(\w+)\s*(?:<<\s*(\d+))?\)?$/.exec(value!) ?? [];
    if (one === undefined) continue;
    const known = numbers.get(one);
    // A leading zero is octal in C.
    const number = known ?? (/^0\d+$/.test(one) ? parseInt(one, 8) : Number(one));
    if (!Number.isNaN(number)) numbers.set(name!, number * 2 ** Number(shift ?? 0));
  }
  return numbers;
}

/** A test of this program's numbers against the headers that stand on this machine. */
async function testHeaders(
  name: string,
  files: string[],
  fn: (numbers: Map<string, number>) => void,
) {
  const missing: string[] = [];
  for (const file of files) {
    if (await Deno.stat(`${HEADERS}/${file}`).catch(() => null) === null) missing.push(file);
  }
  if (missing.length > 0) {
    Deno.test({
      name: `${name} [ignored: needs ${HEADERS}/${missing[0]}]`,
      ignore: true,
      fn: () => {},
    });
    return;
  }
  Deno.test(name, async () => fn(definitions(await header(...files))));
}

function exported(pattern: RegExp): [string, number][] {
  return Object.entries(linux).filter(([name]) => pattern.test(name)) as [string, number][];
}

await testHeaders("MS_* are the kernel's", ["linux/mount.h"], (numbers) => {
  const ours = exported(/^MS_/);
  assert.ok(ours.length >= 17);
  for (const [name, number] of ours) assert.equal(number, numbers.get(name), name);
});

await testHeaders(
  "errno numbers are the kernel's, all of them",
  ["asm-generic/errno-base.h", "asm-generic/errno.h"],
  (numbers) => {
    for (const [name, number] of Object.entries(linux.ERRNO)) {
      assert.equal(number, numbers.get(name), name);
    }
    const known = new Set<number>(Object.values(linux.ERRNO));
    for (const [name, number] of numbers) assert.ok(known.has(number), `${name} is missing`);
  },
);

await testHeaders("signal numbers are the kernel's", ["asm-generic/signal.h"], (numbers) => {
  for (const [name, number] of Object.entries(linux.SIGNALS)) {
    assert.equal(number, numbers.get(name), name);
  }
});

await testHeaders(
  "flags of open, flock and fcntl are the kernel's",
  ["asm-generic/fcntl.h"],
  (numbers) => {
    const names = /^(O_(?!DIRECTORY)|LOCK_|F_|FD_)/;
    const ours = exported(names);
    assert.ok(ours.length >= 9);
    for (const [name, number] of ours) assert.equal(number, numbers.get(name), name);
    assert.equal(linux.O_DIRECTORY.x86_64, numbers.get("O_DIRECTORY"));
  },
);

await testHeaders("SEEK_END is the kernel's", ["linux/fs.h"], (numbers) => {
  assert.equal(linux.SEEK_END, numbers.get("SEEK_END"));
});

Deno.test("errnoName() names every number of the table, and no other", () => {
  for (const [name, number] of Object.entries(linux.ERRNO)) {
    assert.equal(linux.errnoName(number), name);
  }
  assert.equal(new Set(Object.values(linux.ERRNO)).size, Object.keys(linux.ERRNO).length);
  for (const number of [0, -1, 41, 58, 134, 524]) {
    assert.equal(linux.errnoName(number), `errno ${number}`);
  }
});

Deno.test("majorMinor() splits a device number as makedev(3) puts it together", () => {
  const makedev = (major: bigint, minor: bigint) =>
    Number(
      ((major & 0xfffff000n) << 32n) | ((major & 0xfffn) << 8n) |
        ((minor & 0xffffff00n) << 12n) | (minor & 0xffn),
    );
  const cases: [number, string][] = [
    [0, "0:0"],
    [0x801, "8:1"],
    [0x700, "7:0"],
    [0x103 << 8 | 2, "259:2"],
    // A minor above 255, as a disk with many partitions or the 300th loop device has.
    [makedev(7n, 300n), "7:300"],
    [makedev(259n, 1048575n), "259:1048575"],
    [makedev(4095n, 255n), "4095:255"],
    [makedev(4096n, 0n), "4096:0"],
  ];
  for (const [dev, expected] of cases) assert.equal(linux.majorMinor(dev), expected);
});
