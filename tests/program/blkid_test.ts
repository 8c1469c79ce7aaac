/** A blkid that is missing, broken, or says strange things: the wait goes on and says why. */
import assert from "node:assert/strict";
import { fakePlace, type Place, QUIET_ARGS } from "../support/fake_server.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Starts a wait for a disk with a blkid of these lines of shell. */
async function waitWith(
  place: Place,
  lines: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Wrapper> {
  const target = `${place.path}/mnt`;
  return place.start({
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
    env: {
      MNT_SOURCE: "LABEL=nobody-has-this",
      MNT_TARGET: target,
      MNT_BLKID: await place.script("blkid", 'echo "$*" >>"$FAKE_DIR/asked"', ...lines),
      ...env,
    },
  });
}

const asked = async ({ path }: Place) =>
  (await Deno.readTextFile(`${path}/asked`)).split("\n").slice(0, -1);

const SAYS: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["finds nothing", ["exit 2"], /no such device; blkid sees no devices at all/],
  [
    "sees other disks",
    [`echo '/dev/sdx1: LABEL="other" TYPE="ext4"'`, `echo '/dev/sdy: UUID="1"'`],
    /no such device; blkid sees \/dev\/sdx1 \(LABEL=other\), \/dev\/sdy(;|$)/,
  ],
  [
    "has the value under another tag",
    [`echo '/dev/sdx1: PARTLABEL="nobody-has-this"'`],
    /blkid sees \/dev\/sdx1; it is the PARTLABEL of "\/dev\/sdx1"(;|$)/,
  ],
  [
    "names two disks",
    [`for d in x y; do echo "/dev/sd$d: LABEL=\\"nobody-has-this\\" TYPE=\\"ext4\\""; done`],
    /ambiguous, several devices carry it: "\/dev\/sdx", "\/dev\/sdy"; unplug all but one$/,
  ],
  [
    "names a disk that is not there any more",
    [`echo '/dev/nonexistent: LABEL="nobody-has-this" TYPE="ext4"'`],
    /"\/dev\/nonexistent" has just gone$/,
  ],
  [
    "prints garbage",
    ["echo 'Segmentation fault'"],
    /Cannot parse blkid's line: "Segmentation fault/,
  ],
  ["prints half a line", [`printf '/dev/sdx: LABEL="nobody'`], /Cannot parse blkid's line: /],
  ["prints bytes that are no text", ["printf '\\377\\000\\001'"], /Cannot parse blkid's line: /],
  [
    "fails",
    ["echo 'ambivalent result' >&2", "exit 8"],
    /blkid failed with exit 8: ambivalent result$/,
  ],
  ["fails without a word", ["exit 4"], /blkid failed with exit 4: it said nothing$/],
  ["dies", ["kill -TERM $$"], /blkid failed with SIGTERM: it said nothing$/],
];

Deno.test("P7: the program waits on and says why, where blkid", async (t) => {
  for (const [what, lines, why] of SAYS) {
    await t.step(what, async () => {
      await using place = await fakePlace();
      await using wrapper = await waitWith(place, lines);
      const [line] = await wrapper.errLine(/waiting for LABEL=nobody-has-this: .*/);
      assert.match(line, why);
      wrapper.signal("SIGTERM");
      assert.equal(await wrapper.code(), 0);
    });
  }
});

// The kernel kills, too, when it is short of memory.
Deno.test("P9: a blkid that somebody else killed is not said to have hung for 30 s", async () => {
  await using place = await fakePlace();
  await using wrapper = await waitWith(place, ["kill -KILL $$"]);
  await wrapper.errLine(/waiting for LABEL=nobody-has-this: blkid failed with SIGKILL/);
});

Deno.test("blkid is asked with its cache off", async () => {
  await using place = await fakePlace();
  await using wrapper = await waitWith(place, ["exit 2"]);
  await wrapper.errLine(/waiting for LABEL=/);
  assert.deepEqual(await asked(place), ["-c /dev/null"]);
});

Deno.test("a busybox blkid, which takes no options and finds nothing with them, is asked without", async () => {
  await using place = await fakePlace();
  const lines = ["[ $# -gt 0 ] && exit 0", `echo '/dev/sdx1: LABEL="other"'`];
  await using wrapper = await waitWith(place, lines);
  await wrapper.errLine(/blkid sees \/dev\/sdx1/);
  assert.deepEqual(await asked(place), ["-c /dev/null", ""]);
});

Deno.test("labels are asked for in a locale with UTF-8", async () => {
  await using place = await fakePlace();
  const lines = [`echo "/dev/sdx1: LABEL=\\"$LC_ALL\\" PARTLABEL=\\"été\\""`];
  const env = { MNT_SOURCE: "LABEL=été", LC_ALL: "C" };
  await using wrapper = await waitWith(place, lines, env);
  await wrapper.errLine(/waiting for LABEL=été: .*it is the PARTLABEL of "\/dev\/sdx1"/);
});

const MISSING = [
  [{ MNT_BLKID: "/nonexistent/blkid" }, 'Cannot find blkid: tried "/nonexistent/blkid"; '],
  [{ MNT_BLKID: "blkid", PATH: "/nonexistent" }, 'Cannot find blkid: tried "/nonexistent/blkid"; '],
  [{ MNT_BLKID: "/dev" }, 'Cannot run blkid "/dev": it is not an executable file; '],
] as const;

Deno.test("a missing blkid is a fault of the configuration that says how to do without: 78", async () => {
  for (const [env, line] of MISSING) {
    await using place = await fakePlace();
    await using wrapper = await waitWith(place, [], env);
    assert.equal(await wrapper.code(), 78);
    assert.equal(wrapper.errLines.length, 1);
    const said = wrapper.errLines[0]!.replace(/^.*?error: /, "");
    assert.equal(said.slice(0, line.length), line);
    assert.match(said, /set MNT_BLKID.*or name the disk by its path and set MNT_FSTYPE$/);
  }
});

Deno.test("a blkid in PATH is found by its name", async () => {
  await using place = await fakePlace();
  const env = { MNT_BLKID: "blkid", PATH: `/nonexistent:${place.path}` };
  await using wrapper = await waitWith(place, ["exit 2"], env);
  await wrapper.errLine(/waiting for LABEL=/);
});
