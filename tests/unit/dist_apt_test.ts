/** What is written for apt, and what apt answers. */
import assert from "node:assert/strict";
import {
  chooseSites,
  configText,
  parseBinaries,
  parseSource,
  PUBLIC_SITES,
  sourcesText,
} from "../../dist/gokrazy/apt_text.ts";

const MIRROR = { main: "https://m.example/debian", security: "https://m.example/debian-security" };

for (
  const [what, lines, expected] of [
    [
      "of a host with mirrors",
      [`Debian ${MIRROR.main}/ `, `Debian-Security ${MIRROR.security}`, `Debian ${MIRROR.main}`],
      MIRROR,
    ],
    ["of a host with one mirror", [`Debian ${MIRROR.main}`], {
      ...PUBLIC_SITES,
      main: MIRROR.main,
    }],
    [
      "of a Raspberry Pi, whose second archive has the same folder",
      ["Raspberry Pi Foundation http://archive.raspberrypi.com/debian", `Debian ${MIRROR.main}`],
      { ...PUBLIC_SITES, main: MIRROR.main },
    ],
    [
      "of a host that never fetched its lists",
      [`$(LABEL) ${MIRROR.main}`, `$(LABEL) ${MIRROR.security}`],
      MIRROR,
    ],
    ["of no Debian", ["Ubuntu http://archive.ubuntu.com/ubuntu"], PUBLIC_SITES],
    ["of a disc", ["Debian cdrom://disc/debian", "$(LABEL) file:/srv/debian"], PUBLIC_SITES],
    ["of no apt at all", [], PUBLIC_SITES],
  ] as const
) {
  Deno.test(`chooseSites() ${what}`, () => assert.deepEqual(chooseSites(lines), expected));
}

Deno.test("sourcesText() asks for binaries of one architecture and for sources, with Debian's keys only", () => {
  const lines = sourcesText(MIRROR, "arm64").trimEnd().split("\n");
  assert.equal(lines.length, 6);
  for (const line of lines) {
    assert.match(
      line,
      /^deb(-src)? \[.*signed-by=\/usr\/share\/keyrings\/debian-archive-keyring\.gpg\] /,
    );
    assert.match(line, / bookworm(-updates|-security)? main$/);
    // "trusted" in either sense would go past the signature.
    assert.doesNotMatch(line, /trusted/);
  }
  assert.ok(
    lines.filter((line) => line.startsWith("deb ")).every((line) => line.includes("arch=arm64")),
  );
});

Deno.test("configText() keeps everything in its folder, clears the host's hooks, demands signatures", () => {
  const text = configText("/cache/apt", "arm64");
  for (const [, name, path] of text.matchAll(/^(Dir::(?:State|Cache|Log)) "(.*)";$/gm)) {
    assert.match(path!, /^\/cache\/apt\//, name);
  }
  for (const name of ["APT::Architectures", "APT::Update", "DPkg"]) {
    assert.ok(text.indexOf(`#clear ${name};`) >= 0, name);
  }
  assert.ok(
    text.indexOf("#clear APT::Architectures;") < text.indexOf('APT::Architectures:: "arm64"'),
  );
  assert.match(text, /^Acquire::AllowInsecureRepositories "false";$/m);
  assert.match(text, /^APT::Get::AllowUnauthenticated "false";$/m);
});

Deno.test("parseBinaries() finds the source package, with its own version where it has one", () => {
  const sha256 = "0f".repeat(32);
  const text = [
    `Package: libc6\nSource: glibc\nVersion: 2.36-9+deb12u14\nSHA256: ${sha256}\nDescription: C\n more: text`,
    `Package: libgcc-s1\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+b1\nSHA256: ${sha256}`,
    `Package: plain\nVersion: 1\nSHA256: ${sha256}`,
    "N: something else",
  ].join("\n\n");
  assert.deepEqual(parseBinaries(text), [
    {
      name: "libc6",
      version: "2.36-9+deb12u14",
      sha256,
      source: { name: "glibc", version: "2.36-9+deb12u14" },
    },
    {
      name: "libgcc-s1",
      version: "12.2.0-14+b1",
      sha256,
      source: { name: "gcc-12", version: "12.2.0-14" },
    },
    { name: "plain", version: "1", sha256, source: { name: "plain", version: "1" } },
  ]);
});

Deno.test("parseSource() reads the files of a source package among apt's other lines", () => {
  const sum = (digit: string) => digit.repeat(64);
  const uri = (file: string, digit: string) =>
    `'http://m.example/${file.replace("+", "%2b")}' ${file} 4579 SHA256:${sum(digit)} `;
  const [dsc, orig] = ["util-linux_2.38.1-5+deb12u3.dsc", "util-linux_2.38.1.orig.tar.xz"];
  const lines = ["Reading package lists...", "Need to get 7622 kB", uri(dsc, "a"), uri(orig, "b")];
  assert.deepEqual(parseSource("util-linux", lines), {
    name: "util-linux",
    version: "2.38.1-5+deb12u3",
    files: [{ name: dsc, sha256: sum("a") }, { name: orig, sha256: sum("b") }],
  });
  assert.equal(parseSource("util-linux", [uri(orig, "b")]), undefined);
  // A list without SHA-256 is no list to trust.
  assert.equal(parseSource("util-linux", [uri(dsc, "a").replace("SHA256", "MD5Sum")]), undefined);
});
