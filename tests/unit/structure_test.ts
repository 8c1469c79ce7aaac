/** What DESIGN promises of the files: who imports whom, and what stands where. */
import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Text in, data out. */
const PURE = [
  "advice",
  "blkid",
  "btrfs",
  "config",
  "environment",
  "exit",
  "explain",
  "findings",
  "findings_text",
  "found",
  "help",
  "hints",
  "inspect_sandbox",
  "kernel_filesystems",
  "kmsg",
  "landlock",
  "layers",
  "linux",
  "mount_options",
  "mount_spec",
  "mounter",
  "mountinfo",
  "notify",
  "origins",
  "proc_net",
  "secrets",
  "server_args",
  "signals",
  "source",
  "terminal",
  "unmount_reasons",
  "variables",
];

const TOP_LEVEL = [
  "LICENSE",
  "README.md",
  "SECURITY.md",
  "deno.json",
  "deno.lock",
  "dist",
  "env",
  "ffi",
  "flags",
  "main.ts",
  "mod",
  "tests",
];

/** Code without its comments, which may name what the code may not use. */
async function codeOf(path: string): Promise<string> {
  const text = await Deno.readTextFile(ROOT + path);
  return text.replace(/\/\*\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

async function filesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(ROOT + directory)) {
    assert.ok(entry.isFile && entry.name.endsWith(".ts"), `${directory}/${entry.name}`);
    names.push(`${directory}/${entry.name}`);
  }
  return names.toSorted();
}

const PROGRAM = [...await filesIn("mod"), ...await filesIn("ffi"), "main.ts"];

/** What a file imports, types included: `./linux.ts`, `npm:...`. */
function importsOf(code: string): string[] {
  const found = code.matchAll(
    /^(?:import|export)\s[^;"]*\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm,
  );
  return [...found].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

Deno.test("mod/ never imports ffi/, and nothing of the program imports tests/ or dist/", async () => {
  for (const path of PROGRAM) {
    const imports = importsOf(await codeOf(path));
    for (const name of imports) {
      assert.doesNotMatch(name, /\b(tests|dist)\//, `${path} imports ${name}`);
      if (path.startsWith("mod/")) {
        assert.match(
          name,
          /^(\.\/\w+\.ts|node:(util|fs|fs\/promises)|@logtape\/logtape)$/,
          `${path} imports ${name}`,
        );
      }
    }
  }
  const main = importsOf(await codeOf("main.ts"));
  assert.ok(main.some((name) => name.startsWith("./ffi/")), "main.ts hands the real edges down");
});

Deno.test("only ffi/ opens libraries and uses unsafe memory", async () => {
  for (const path of PROGRAM) {
    const unsafe = /\b(dlopen|Unsafe\w+)/.exec(await codeOf(path))?.[0];
    if (!path.startsWith("ffi/")) assert.equal(unsafe, undefined, path);
  }
});

Deno.test("Deno.exit stands on the last line of main.ts and nowhere else", async () => {
  for (const path of PROGRAM) {
    const lines = (await codeOf(path)).trimEnd().split("\n");
    const exits = lines.flatMap((line, i) => /\bDeno\.exit\b|\bprocess\b\./.test(line) ? [i] : []);
    assert.deepEqual(exits, path === "main.ts" ? [lines.length - 1] : [], path);
  }
});

Deno.test("no process is run by a *Sync call, which would hide signals", async () => {
  for (const path of PROGRAM) {
    assert.doesNotMatch(await codeOf(path), /\b(outputSync|spawnSync|exec\w*Sync)\b/, path);
  }
});

Deno.test("pure modules use neither Deno, nor a clock, nor await, nor an impure module", async () => {
  for (const name of PURE) {
    const code = await codeOf(`mod/${name}.ts`);
    const impure =
      /\bDeno\.|\bawait\b|\basync (?:function|\()|\bDate\b|\bperformance\b|\bsetTimeout\b|\bMath\.random\b/;
    assert.equal(impure.exec(code)?.[0], undefined, name);
    for (const imported of importsOf(code)) {
      const [, module] = /^\.\/(\w+)\.ts$/.exec(imported) ?? [];
      assert.ok(module !== undefined && PURE.includes(module), `${name} imports ${imported}`);
    }
  }
});

Deno.test("every module says in its first comment what it is", async () => {
  for (const path of PROGRAM) {
    const text = await Deno.readTextFile(ROOT + path);
    assert.match(text, /^\/\*\*\n \* \S[\s\S]*?\n \*\n \* @module\n \*\/\n/, path);
  }
});

Deno.test("the top level of the repository holds nothing that the design does not name", async () => {
  const git = await new Deno.Command("git", {
    args: ["-c", "safe.directory=*", "ls-files", "-z"],
    cwd: ROOT,
    stderr: "null",
  }).output().catch(() => null);
  // An unpacked archive has no list of files: then the directory is looked at.
  const listed = git?.success ? new TextDecoder().decode(git.stdout).split("\0") : [];
  const names = listed.map((path) => path.split("/")[0]!);
  if (names.length === 0) {
    for await (const entry of Deno.readDir(ROOT)) names.push(entry.name);
  }
  const unknown = new Set(names.filter((name) => name !== "" && !name.startsWith(".")));
  assert.deepEqual([...unknown].filter((name) => !TOP_LEVEL.includes(name)), []);
});
