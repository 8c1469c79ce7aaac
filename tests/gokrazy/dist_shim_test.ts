/** The Go program of the package, built for this machine: it becomes the real program, or says what is missing. */
import assert from "node:assert/strict";
import { V8_FLAGS } from "../../dist/tasks/compile.ts";
import { findProgram } from "../../dist/tools/command.ts";
import { run } from "../support/command.ts";
import { testWith } from "../support/needs.ts";
import { tempDirectory } from "../support/temp.ts";

const SHIM = new URL("../../dist/gokrazy/shim", import.meta.url).pathname;
const GO = await findProgram("go");

interface Shim extends AsyncDisposable {
  /** Where the program of this package is looked for. */
  readonly program: string;
  start(
    args?: readonly string[],
    env?: Record<string, string>,
  ): Promise<{ code: number; out: string; err: string; pid: number }>;
}

/** Builds it with the program at a path of its own. */
async function buildShim(): Promise<Shim> {
  const folder = await tempDirectory();
  const program = `${folder.path}/program`;
  const flags = ["-trimpath", "-ldflags", `-X main.program=${program}`];
  await run(
    "env",
    "GOWORK=off",
    "GOFLAGS=",
    "CGO_ENABLED=0",
    GO!,
    "-C",
    SHIM,
    "build",
    ...flags,
    "-o",
    `${folder.path}/shim`,
  );
  return {
    program,
    async start(args = [], env = {}) {
      const child = new Deno.Command(`${folder.path}/shim`, {
        args: [...args],
        env: { PATH: "/usr/bin:/bin", ...env },
        clearEnv: true,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const { code, stdout, stderr } = await child.output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out: out!, err: err!, pid: child.pid };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function put(path: string, contents: string | Uint8Array, mode = 0o755): Promise<void> {
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, mode);
}

/** A program of this system, with another loader; gives the loader's path. */
async function putWithoutLoader(path: string): Promise<string> {
  const bytes = await Deno.readFile("/bin/true");
  const text = new TextDecoder("latin1").decode(bytes);
  const { 0: loader, index } = /\/lib\S*\/ld-linux[^\0]*/.exec(text)!;
  bytes[index + loader.length - 1] = "?".charCodeAt(0);
  await put(path, bytes);
  return `${loader.slice(0, -1)}?`;
}

function shimTest(name: string, fn: (shim: Shim) => Promise<void>): Promise<void> {
  return testWith(GO === undefined ? ["program:go"] : [], name, async () => {
    await using shim = await buildShim();
    await fn(shim);
  });
}

/** gokrazy ends its supervision at 125; the line names what is missing and the cure. */
async function assertExplains(shim: Shim, ...parts: string[]): Promise<void> {
  const { code, out, err } = await shim.start();
  assert.deepEqual({ code, out }, { code: 125, out: "" }, err);
  assert.match(err, /^restic-rest-server: error: Cannot run "[^\n]*\n$/);
  for (const part of [`"${shim.program}"`, ...parts]) {
    assert.ok(err.includes(part), `${part}: ${err}`);
  }
}

await shimTest("the shim becomes the program: its process, arguments, exit code", async (shim) => {
  await put(
    shim.program,
    `#!/bin/sh\necho $$\nfor a in "$@"; do printf '<%s>' "$a"; done\nexit 41\n`,
  );
  const args = ["--path", "/perm/a b", "", "two\nlines", "ü", "--", "-A"];
  const { code, out, err, pid } = await shim.start(args);
  const told = args.map((arg) => `<${arg}>`).join("");
  assert.deepEqual({ code, out, err }, { code: 41, out: `${pid}\n${told}`, err: "" });
});

await shimTest("the shim hands its environment on, with Deno's caches in memory", async (shim) => {
  await put(shim.program, "#!/bin/sh\nexec env\n");
  const variables = async (env: Record<string, string>) => {
    const { out } = await shim.start([], env);
    return out.trimEnd().split("\n").filter((line) => !/^(PWD|SHLVL|_)=/.test(line)).toSorted();
  };
  const own = ["HOME=/perm/home/x", "MNT_SOURCE=UUID=1", "PATH=/usr/bin:/bin"];
  const given = { HOME: "/perm/home/x", MNT_SOURCE: "UUID=1" };
  const defaults = [
    "DENO_DIR=/run/restic-rest-server-deno",
    "DENO_NO_UPDATE_CHECK=1",
    `DENO_V8_FLAGS=${V8_FLAGS}`,
  ];
  assert.deepEqual(await variables(given), [...defaults, ...own]);
  const chosen = ["DENO_DIR=/perm/deno", "DENO_NO_UPDATE_CHECK=", "DENO_V8_FLAGS="];
  const choice = { DENO_DIR: "/perm/deno", DENO_NO_UPDATE_CHECK: "", DENO_V8_FLAGS: "" };
  assert.deepEqual(await variables({ ...given, ...choice }), [...chosen, ...own]);
});

await shimTest("the shim says that the program is missing", async (shim) => {
  await assertExplains(shim, "it is not in the image", "deno task dist", "gok update");
});

await shimTest("the shim says that the program's loader is missing", async (shim) => {
  const loader = await putWithoutLoader(shim.program);
  await assertExplains(shim, `"${loader}", which it needs, is not in the image`);
});

await shimTest("the shim says that the interpreter of a script is missing", async (shim) => {
  await put(shim.program, "#!/no/such/deno -A\n");
  await assertExplains(shim, '"/no/such/deno", which it needs, is not in the image');
});

await shimTest(
  "the shim says that the loader of a script's interpreter is missing",
  async (shim) => {
    const interpreter = `${shim.program}-deno`;
    const loader = await putWithoutLoader(interpreter);
    await put(shim.program, `#!${interpreter} -A\n`);
    await assertExplains(shim, `"${loader}", which it needs, is not in the image`);
  },
);

await shimTest("the shim says that the program is for another processor", async (shim) => {
  const bytes = await Deno.readFile("/bin/true");
  // e_machine: none.
  bytes.fill(0, 18, 20);
  await put(shim.program, bytes);
  await assertExplains(shim, "it is no program for this processor", "--arch");
});

await shimTest("the shim says what the kernel said of a file that may not be run", async (shim) => {
  await put(shim.program, "#!/bin/sh\n", 0o644);
  await assertExplains(shim, "permission denied");
});
