/** CONTENTS.txt. */
import assert from "node:assert/strict";
import { archiveText, contentsText, parseContents } from "../../dist/gokrazy/contents.ts";

const FILE = {
  path: "/usr/local/bin/blkid",
  mode: 0o755,
  local: "/home/somebody/blkid",
  sizeBytes: 928976,
  sha256: "5864".repeat(16),
};
const ORIGIN = {
  name: "blkid",
  version: "2.38.1",
  licence: "GPL-2.0-or-later",
  made: ["built from source"],
  source: "Debian",
};

function section(arch: "arm64" | "amd64", note?: string): string {
  const archive = { sizeBytes: 1024, sha256: "ab".repeat(32) };
  return archiveText(arch, archive, { engine: "script", note }, [FILE], [ORIGIN]);
}

Deno.test("archiveText() names engine, files with size and SHA-256, licence and source, no path of ours", () => {
  const text = section("arm64", "no runtime");
  for (
    const part of [
      "==== _gokrazy/extrafiles_arm64.tar\n",
      `1024 bytes, SHA-256 ${"ab".repeat(32)}\n`,
      "engine: script (no runtime)\n",
      `0755    928976 ${FILE.sha256} /usr/local/bin/blkid\n`,
      "blkid 2.38.1\n  licence: GPL-2.0-or-later\n  built from source\n  source:  Debian\n",
    ]
  ) assert.ok(text.includes(part), part);
  assert.ok(!text.includes("somebody"));
});

Deno.test("parseContents() reads back what contentsText() wrote, for one archive and for both", () => {
  const [arm64, amd64] = [section("arm64").trimEnd(), section("amd64").trimEnd()];
  for (const sections of [{ arm64 }, { amd64 }, { arm64, amd64 }]) {
    const text = contentsText(sections);
    assert.deepEqual(parseContents(text), sections);
    assert.equal(contentsText(parseContents(text)), text);
  }
  assert.deepEqual(parseContents("something else"), {});
});
