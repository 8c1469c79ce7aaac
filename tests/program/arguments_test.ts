/** P10: every argument is rest-server's, and reaches it byte for byte. */
import assert from "node:assert/strict";
import { fakePlace, QUIET_ARGS, testWithMount, tmpfsOn } from "../support/fake_server.ts";

const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["none at all", []],
  ["empty ones", ["", "--no-auth", "", ""]],
  ["newlines, tabs and quotes", ["a\nb", "\n", "\t", `"it's"`, "$HOME `x` \\ *"]],
  ["UTF-8 of one to four bytes", ["a", "é", "日本", "🦕", "\u0301"]],
  ["100 KB in one", ["x".repeat(100 * 1024)]],
  ["a thousand of them", Array.from({ length: 1000 }, (_, i) => `--flag=${i}`)],
  ["what ends flags", ["--", "--path", "x", "--"]],
  ["help in company", ["--help", "--path", "x"]],
  ["help twice", ["-h", "-h"]],
  ["version in company", ["--version", ""]],
  ["flags of Deno", ["--allow-all", "-A", "--inspect", "--v8-flags=--help", "--quiet"]],
  ["names of variables", ["MNT_SOURCE=LABEL=x", "MNT_TARGET=/x"]],
];

Deno.test("P10: arguments reach rest-server as they came", async (t) => {
  await using place = await fakePlace();
  for (const [what, args] of CASES) {
    await t.step(what, async () => {
      await using wrapper = place.start({ args, env: { FAKE_DO: "exit 5" } });
      assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
      assert.deepEqual(await place.args(), args);
    });
  }
});

testWithMount("P10: with a mount the arguments reach rest-server as they came, too", async () => {
  await using place = await fakePlace();
  const disk = tmpfsOn(place);
  const args = [...disk.args, "", "a\nb", "--log", "-", "🦕"];
  await using wrapper = place.start({ ...disk, args, env: { ...disk.env, FAKE_DO: "exit 5" } });
  assert.equal(await wrapper.code(), 5, wrapper.errLines.join("\n"));
  assert.deepEqual(await place.args(), args);
});

Deno.test("P10: an argument that is not UTF-8 is refused before rest-server starts, never changed", async () => {
  await using place = await fakePlace();
  await using wrapper = place.start({
    args: QUIET_ARGS,
    // No test can pass such bytes through Deno.Command, so a shell makes them.
    prefix: ["/bin/sh", "-c", `exec "$@" "$(printf '\\377')"`, "sh"],
  });
  assert.notEqual(await wrapper.code(), 0);
  assert.equal(await place.started(), false);
});
