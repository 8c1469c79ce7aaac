/** The arguments of `deno task dist`. */
import assert from "node:assert/strict";
import { type DistOptions, parseDistArgs } from "../../dist/gokrazy/options.ts";

const NONE: DistOptions = {
  arch: "arm64",
  engine: undefined,
  blkid: undefined,
  glibc: undefined,
  names: [],
};

for (
  const [line, expected] of [
    ["", {}],
    ["--arch amd64", { arch: "amd64" }],
    ["--arch=arm64 --engine script", { engine: "script" }],
    ["--engine compile --blkid ./blkid --glibc /lib", {
      engine: "compile",
      blkid: "./blkid",
      glibc: "/lib",
    }],
    ["--name photos --name nas-2", { names: ["photos", "nas-2"] }],
  ] as const
) {
  Deno.test(`parseDistArgs() takes "${line}"`, () => {
    const args = line.split(" ").filter((word) => word !== "");
    assert.deepEqual(parseDistArgs(args), { ...NONE, ...expected });
  });
}

for (
  const [args, message] of [
    [["--arch", "riscv64"], /"riscv64"/],
    [["--arch", "toString"], /"toString"/],
    [["--engine", "interpret"], /"interpret"/],
    [["--engine"], /--engine/],
    [["--blkid="], /--blkid takes a path/],
    [["--kernel", "x"], /--kernel/],
    [["--name", "../up"], /--name "..\/up"/],
    [["--name", "rest-server"], /--name "rest-server"/],
    [["--name", "restic-rest-server"], /--name "restic-rest-server"/],
    [["arm64"], /arm64/],
  ] as const
) {
  Deno.test(`parseDistArgs() refuses "${args.join(" ")}"`, () => {
    assert.throws(() => parseDistArgs(args), { name: "SyntaxError", message });
  });
}
