/** The real package, for this machine's own architecture: made twice, looked into, and started. */
import assert from "node:assert/strict";
import { unpackTar } from "modern-tar";
import { STARTER_PATH } from "../../dist/gokrazy/bundle.ts";
import { denoExecutable } from "../../dist/gokrazy/deno_package.ts";
import { fileDigest } from "../../dist/gokrazy/image.ts";
import { parseDistArgs } from "../../dist/gokrazy/options.ts";
import { makePackage } from "../../dist/gokrazy/package.ts";
import { TARGETS } from "../../dist/gokrazy/targets.ts";
import { elfMachine, TARGETS as MACHINES } from "../../dist/tasks/compile.ts";
import { findProgram } from "../../dist/tools/command.ts";
import { type Need, testWith } from "../support/needs.ts";
import { run } from "../support/command.ts";
import { tempDirectory } from "../support/temp.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const ARCH = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
const TARGET = TARGETS[ARCH];
const ARCHIVE = `_gokrazy/extrafiles_${ARCH}.tar`;
const SCRIPT = ["--arch", ARCH, "--engine", "script"];
/** As root the build tools are installed where they are missing. */
const TOOLS: Need[] = Deno.uid() === 0 ? [] : [
  `program:${TARGET.gnu}-gcc`,
  "program:make",
  "program:dpkg-source",
];
const NEEDS: Need[] = ["program:apt-get", "program:npm", ...TOOLS];

/** Makes the package in a folder; gives the lines about its progress. */
async function make(folder: string, args: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  await makePackage(parseDistArgs(args), folder, (line) => lines.push(line));
  return lines;
}

async function digest(folder: string): Promise<string> {
  return await fileDigest(`${folder}/${ARCHIVE}`, "sha256", "hex");
}

/** `deno task dist`, to its end. */
async function dist(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "dist/tasks/dist.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  return { code, lines: new TextDecoder().decode(stderr).trimEnd().split("\n") };
}

await testWith(
  NEEDS,
  "the same input gives the same bytes, and the second run fetches and builds nothing",
  async () => {
    await using first = await tempDirectory();
    await using second = await tempDirectory();
    await make(first.path, SCRIPT);
    const lines = await make(second.path, SCRIPT);
    assert.equal(await digest(second.path), await digest(first.path));
    // Another run may hold a part for a moment.
    const work = lines.filter((line) => !/ [kM]B$|^another run/.test(line));
    assert.deepEqual(work, ["bundling the program to one JavaScript file"], lines.join("\n"));
    const contents = (folder: string) => Deno.readTextFile(`${folder}/CONTENTS.txt`);
    assert.equal(await contents(second.path), await contents(first.path));
  },
);

await testWith(
  NEEDS,
  "the archive has what gokrazy lacks, each file with its mode and listed with its SHA-256",
  async () => {
    await using folder = await tempDirectory();
    await make(folder.path, SCRIPT);
    const { readable } = await Deno.open(`${folder.path}/${ARCHIVE}`);
    const entries = await unpackTar(readable);
    const names = entries.map(({ header }) => `/${header.name}`);
    assert.deepEqual(names, names.toSorted());
    const expected = [
      "/usr/local/bin/blkid",
      "/usr/local/bin/deno",
      STARTER_PATH,
      "/usr/local/lib/restic-rest-server.js",
      TARGET.loader,
      ...TARGET.libraries.map((name) => `/lib/${name}`),
    ];
    assert.deepEqual(names, expected.toSorted());

    const contents = await Deno.readTextFile(`${folder.path}/CONTENTS.txt`);
    for (const { header, data } of entries) {
      const script = header.name.endsWith(".js");
      assert.equal(header.mode, script ? 0o644 : 0o755, header.name);
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data!)).toHex();
      assert.ok(contents.includes(`${header.size} ${sum} /${header.name}\n`), header.name);
      if (!script && `/${header.name}` !== STARTER_PATH) {
        assert.equal(elfMachine(data!), MACHINES[TARGET.deno], header.name);
      }
      // What is made here names no folder of this machine.
      if (script) assert.ok(!new TextDecoder().decode(data).includes(ROOT), header.name);
    }
    assert.match(contents, /^engine: script$/m);
    for (const name of ["util-linux", "glibc", "gcc-12"]) {
      assert.ok(contents.includes(`https://snapshot.debian.org/package/${name}/`), name);
    }
  },
);

/** Mounts what gokrazy mounts in the root named by $1, starts the rest there, and says what was written. */
const IN_ROOT = `
set -e
cd "$1"; shift
mount -t proc proc proc
mount -t sysfs sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mount -t tmpfs tmp tmp
chroot=$(command -v chroot)
env -i PATH=/user HOME=/perm/home/x MNT_SERVER=/usr/local/bin/blkid "$chroot" . "$@"
find run tmp perm -type f
`;

await testWith(
  ["root", "program:go", "program:unshare", ...NEEDS],
  "in a root with nothing else shim and program start, and write nothing but into /run",
  async () => {
    await using folder = await tempDirectory();
    await using root = await tempDirectory();
    await make(folder.path, SCRIPT);
    await run("tar", "-x", "-f", `${folder.path}/${ARCHIVE}`, "-C", root.path);
    for (const name of ["proc", "sys", "dev", "run", "tmp", "user", "perm"]) {
      await Deno.mkdir(`${root.path}/${name}`);
    }
    const go = [(await findProgram("go"))!, "-C", folder.path, "build", "-o"];
    await run("env", "GOWORK=off", "CGO_ENABLED=0", ...go, `${root.path}/user/restic-rest-server`);
    // blkid stands for rest-server: it has a --version, too.
    const command = ["sh", "-c", IN_ROOT, "sh", root.path, "/user/restic-rest-server", "--version"];
    const said = await run("unshare", "--mount", "--propagation", "private", ...command);
    const [own, blkid, ...written] = said.split("\n");
    assert.match(own!, /^restic-rest-server \d.* \(Deno \d/);
    assert.match(blkid!, /^blkid from util-linux/);
    assert.ok(written.length > 0);
    for (const path of written) assert.match(path, /^run\/restic-rest-server-deno\//);
  },
);

await testWith(
  ["program:npm"],
  "an archive of npm with another checksum stops the build, and is not kept",
  async () => {
    const target = { ...TARGET, denoPackage: { ...TARGET.denoPackage, integrity: "sha512-other" } };
    for (let round = 0; round < 2; round++) {
      await assert.rejects(denoExecutable(target, () => {}), (error: Error) => {
        assert.equal(error.name, "DistError");
        assert.ok(error.message.includes(TARGET.denoPackage.integrity), error.message);
        return true;
      });
    }
  },
);

Deno.test("bad arguments end with a usage line and 64", async () => {
  const { code, lines } = await dist(["--arch", "riscv64"]);
  assert.equal(code, 64);
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /^Usage: deno task dist \[--arch /);
});

for (
  const [what, args, env, message] of [
    [
      "compile with a DENORT_BIN that is not there",
      ["--engine", "compile"],
      { DENORT_BIN: "/no/denort" },
      /^Cannot read DENORT_BIN="\/no\/denort"/,
    ],
    [
      "a DENORT_BIN of another kind, also where no engine was asked for",
      [],
      { DENORT_BIN: "/bin/sh" },
      ARCH === "arm64" ? /is not this program/ : /^Cannot use DENORT_BIN="\/bin\/sh"/,
    ],
    [
      "a blkid that is no program",
      ["--engine", "script", "--blkid", "/etc/passwd"],
      {},
      /^Cannot use --blkid "\/etc\/passwd" as blkid: it is no program for arm64$/,
    ],
    [
      "a blkid that needs libraries",
      ["--arch", ARCH, "--engine", "script", "--blkid", "/bin/sh"],
      {},
      /it is not static, and gokrazy has no libraries for it$/,
    ],
    [
      "a folder without the loader",
      ["--engine", "script", "--glibc", "/etc"],
      {},
      /^Cannot read "\/etc\/ld-linux-aarch64.so.1"/,
    ],
  ] as const
) {
  const needs: Need[] = args.some((arg) => arg === "script") ? ["program:npm"] : [];
  await testWith(needs, `one line, and 1: ${what}`, async () => {
    const { code, lines } = await dist(args, env);
    assert.equal(code, 1);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0]!, message);
  });
}
