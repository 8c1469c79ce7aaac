import assert from "node:assert/strict";
import * as linux from "../../mod/linux.ts";
import {
  formatFlags,
  MOUNT_OPTIONS,
  parseMountOptions,
  splitOptions,
} from "../../mod/mount_options.ts";

Deno.test("parseMountOptions() takes what mount(8) takes", () => {
  const cases: [text: string, flags: number, data: string][] = [
    ["", 0, ""],
    ["ro", linux.MS_RDONLY, ""],
    ["ro,noatime,nofail,subvol=backup", 0x401, "subvol=backup"],
    ["nosuid,nodev,noexec,relatime", 0x20000e, ""],
    ["defaults", 0, ""],
    [" ro , noatime ", 0x401, ""],
    [",,ro,,", 1, ""],
    [",", 0, ""],
    ["compress=zstd,ro,device=/dev/sdb", 1, "compress=zstd,device=/dev/sdb"],
    // A word of the VFS with a value is still that word: ro=recursive, user=name.
    ["ro=recursive", 1, ""],
    ["user=alice", 0xe, ""],
    ["comment=x,helper=udisks,uhelper=x", 0, ""],
    ["x-systemd.automount,X-mount.mkdir=0755,x-gvfs-show", 0, ""],
    // Only whole words: neither a prefix nor another case is a word.
    ["rox,RO,xro,ro2", 0, "rox,RO,xro,ro2"],
    ["x=1", 0, "x=1"],
    ["=", 0, "="],
    ["data=ordered", 0, "data=ordered"],
    // Names that every JavaScript object has.
    [
      "__proto__,constructor=1,toString,hasOwnProperty",
      0,
      "__proto__,constructor=1,toString,hasOwnProperty",
    ],
    // Commas within quotes do not separate, here and in the kernel's SELinux, which needs the quotes for that.
    ['context="u:r:t:s0:c1,c2",ro', 1, 'context="u:r:t:s0:c1,c2"'],
    ['rootcontext="a,b"', 0, 'rootcontext="a,b"'],
    ['subvol="a,b"', 0, 'subvol="a,b"'],
  ];
  for (const [text, flags, data] of cases) {
    assert.deepEqual(parseMountOptions(text), { flags, data }, JSON.stringify(text));
  }
});

Deno.test("parseMountOptions() refuses a quote that is not closed: it would swallow the options behind it", () => {
  for (const text of ['subvol="a,ro', '"', 'context="a",ro,x="']) {
    assert.throws(() => parseMountOptions(text), {
      name: "RangeError",
      message: "a double quote in it is not closed",
    });
  }
});

Deno.test("parseMountOptions() knows each word of the table once", () => {
  const names = MOUNT_OPTIONS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, flag, inverted, refused } of MOUNT_OPTIONS) {
    if (refused !== undefined) {
      for (const text of [name, `${name}=x`, `ro,${name}`]) {
        assert.throws(() => parseMountOptions(text), {
          name: "RangeError",
          message: `option "${name}" is refused: ${refused}`,
        });
      }
      continue;
    }
    assert.deepEqual(parseMountOptions(name), { flags: inverted ? 0 : flag ?? 0, data: "" }, name);
  }
});

Deno.test("parseMountOptions() lets the later of a word and its opposite win", () => {
  const inverted = MOUNT_OPTIONS.filter((option) => option.inverted);
  assert.ok(inverted.length >= 13);
  for (const { name, flag } of inverted) {
    const opposite = MOUNT_OPTIONS.find((option) => option.flag === flag && !option.inverted)!;
    assert.equal(parseMountOptions(`${opposite.name},${name}`).flags, 0, name);
    assert.equal(parseMountOptions(`${name},${opposite.name}`).flags, flag, name);
  }
});

Deno.test("parseMountOptions() has a single word that undoes each one of a group", () => {
  for (const word of ["user", "users", "owner", "group"]) {
    const { flags } = parseMountOptions(`${word},exec`);
    assert.equal(flags, linux.MS_NOSUID | linux.MS_NODEV, word);
    assert.equal(parseMountOptions(`${word},exec,suid,dev`).flags, 0, word);
  }
});

Deno.test("parseMountOptions() keeps every word for user space from the kernel", () => {
  const words = MOUNT_OPTIONS.filter(({ flag, refused }) =>
    flag === undefined && refused === undefined
  );
  assert.ok(words.length >= 12);
  const text = words.map(({ name }) => name).join(",");
  assert.deepEqual(parseMountOptions(`${text},errors=continue`), {
    flags: 0,
    data: "errors=continue",
  });
});

Deno.test("splitOptions() does not separate within double quotes", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["a", ["a"]],
    ["a,b", ["a", "b"]],
    [",a,,b,", ["a", "b"]],
    [' a , "b,c" ,d', ["a", '"b,c"', "d"]],
    ['x="1,2"y,"3,4"', ['x="1,2"y', '"3,4"']],
    ['"', ['"']],
    ['a","b', ['a","b']],
  ];
  for (const [text, expected] of cases) assert.deepEqual(splitOptions(text), expected, text);
});

Deno.test("splitOptions() takes time in proportion to the length, whatever the quotes", () => {
  // With nested quantifiers that overlap this would never end.
  for (const text of ['"'.repeat(50_001), 'a"b'.repeat(30_001), ",".repeat(100_000)]) {
    assert.ok(Array.isArray(splitOptions(text)));
  }
});

Deno.test("formatFlags() writes flags as mount(8) does", () => {
  const cases: [number, string][] = [
    [0, "rw"],
    [1, "ro"],
    [0xe, "rw,nosuid,nodev,noexec"],
    [0x401, "ro,noatime"],
    [linux.MS_NOSYMFOLLOW | linux.MS_RELATIME, "rw,relatime,nosymfollow"],
    // Not a word of a mount: these make it another operation.
    [linux.MS_BIND | linux.MS_REMOUNT, "rw"],
  ];
  for (const [flags, expected] of cases) assert.equal(formatFlags(flags), expected);
});
