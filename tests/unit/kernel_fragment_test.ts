/** The options of the kernel: `dist/kernel/fragment.ts`, and the fragment itself. */
import assert from "node:assert/strict";
import { parseFragment, rejectedOptions, rejectedText } from "../../dist/kernel/fragment.ts";

const FRAGMENT = new URL("../../dist/kernel/gokrazy-btrfs.config", import.meta.url);

Deno.test("parseFragment() takes options, unset ones too, and passes over comments", () => {
  const text = `# What for
CONFIG_A=y

# CONFIG_B is not set
CONFIG_LSM="landlock"
CONFIG_LOG_BUF_SHIFT=17
CONFIG_EMPTY=""
`;
  assert.deepEqual(parseFragment(text), [
    { name: "CONFIG_A", value: "y" },
    { name: "CONFIG_B", value: "n" },
    { name: "CONFIG_LSM", value: '"landlock"' },
    { name: "CONFIG_LOG_BUF_SHIFT", value: "17" },
    { name: "CONFIG_EMPTY", value: '""' },
  ]);
});

for (
  const [text, message] of [
    ["CONFIG_A", 'line 1 is neither an option nor a comment: "CONFIG_A"'],
    ["CONFIG_A=y\nCONFIG_B=", 'line 2 is neither an option nor a comment: "CONFIG_B="'],
    [" CONFIG_A=y", 'line 1 is neither an option nor a comment: " CONFIG_A=y"'],
    ["BTRFS_FS=y", 'line 1 is neither an option nor a comment: "BTRFS_FS=y"'],
    ["CONFIG_A=y\n\nCONFIG_A=y", "line 3 names CONFIG_A again"],
    ["CONFIG_A=y\n# CONFIG_A is not set", "line 2 names CONFIG_A again"],
  ] as const
) {
  Deno.test(`parseFragment() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseFragment(text), {
      name: "SyntaxError",
      message: `Cannot parse kernel options: ${message}`,
    });
  });
}

const CONFIG = `#
# Automatically generated file; DO NOT EDIT.
# Linux/arm64 6.1.192 Kernel Configuration
#
CONFIG_A=y
CONFIG_A_MORE=y
# CONFIG_OFF is not set
CONFIG_MODULE=m
CONFIG_LSM="landlock,yama"
CONFIG_BITS=39
`;

for (
  const [line, got] of [
    ["CONFIG_A=y", "taken"],
    ["CONFIG_BITS=39", "taken"],
    ["# CONFIG_OFF is not set", "taken"],
    ["# CONFIG_NO_SUCH is not set", "taken"],
    ["# CONFIG_A is not set", "y"],
    ["CONFIG_OFF=y", "n"],
    ["CONFIG_MODULE=y", "m"],
    ['CONFIG_LSM="landlock"', '"landlock,yama"'],
    // A name that is the beginning of another.
    ["CONFIG_A_MO=y", undefined],
    ["CONFIG_NO_SUCH=y", undefined],
  ] as const
) {
  Deno.test(`rejectedOptions() of ${line}: ${got}`, () => {
    const option = parseFragment(line)[0]!;
    const rejected = rejectedOptions([option], CONFIG);
    assert.deepEqual(rejected, got === "taken" ? [] : [{ ...option, got }]);
  });
}

Deno.test("rejectedText() names each option with what became of it", () => {
  const rejected = [
    { name: "CONFIG_BTRFS_FS", value: "y", got: "m" },
    { name: "CONFIG_OLD", value: "y", got: undefined },
  ];
  const lines = rejectedText(rejected, "my.config").split("\n");
  assert.match(lines[0]!, /"my\.config".*2 options were not taken/);
  assert.equal(lines[1], "  CONFIG_BTRFS_FS=y: it is m");
  assert.equal(lines[2], "  CONFIG_OLD=y: this kernel leaves it out");
  assert.match(rejectedText(rejected.slice(1), "my.config"), /1 option was not taken/);
});

Deno.test("each option of gokrazy-btrfs.config stands in a group that says why", async () => {
  const text = await Deno.readTextFile(FRAGMENT);
  assert.ok(parseFragment(text).length > 50);
  for (const group of text.trim().split(/\n\n+/)) {
    assert.match(group, /^# (?!CONFIG_)\S/, group);
  }
});

Deno.test("gokrazy-btrfs.config has what the program and its btrfs need built in", async () => {
  const options = parseFragment(await Deno.readTextFile(FRAGMENT));
  const values = Object.fromEntries(options.map(({ name, value }) => [name, value]));
  for (const name of ["BTRFS_FS", "SECURITY_LANDLOCK", "INOTIFY_USER", "USB_STORAGE", "SQUASHFS"]) {
    assert.equal(values[`CONFIG_${name}`], "y", name);
  }
  // Without its name here Landlock is compiled and never switched on.
  assert.match(values["CONFIG_LSM"]!, /\blandlock\b/);
});
