/** `deno task install` and `uninstall`, in a prefix of their own. */
import assert from "node:assert/strict";
import { tempDirectory } from "../support/temp.ts";

const TASKS = new URL("../../dist/tasks/", import.meta.url).pathname;
const UNITS = ["restic-rest-server.service", "restic-rest-server-hardened.service"];

async function task(name: "install" | "uninstall", ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${TASKS}${name}.ts`, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout), complaint: text(stderr) };
}

async function installed(prefix: string): Promise<string> {
  const { code, said, complaint } = await task("install", "--prefix", prefix);
  assert.equal(code, 0, complaint);
  return said;
}

/** Every file and link below a directory, by its path there. */
async function filesBelow(directory: string, path = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${directory}${path}`)) {
    if (isDirectory) found.push(...await filesBelow(directory, `${path}/${name}`));
    else found.push(`${path}/${name}`);
  }
  return found.toSorted();
}

Deno.test("install: the program runs, and uninstall leaves nothing", async () => {
  await using temp = await tempDirectory();
  const prefix = `${temp.path}/deep/prefix`;
  await installed(prefix);
  const files = await filesBelow(prefix);
  for (
    const path of [
      "/bin/restic-rest-server",
      "/etc/default/restic-rest-server",
      ...UNITS.map((unit) => `/lib/systemd/system/${unit}`),
      "/share/man/man8/restic-rest-server.8",
    ]
  ) assert.ok(files.includes(path), path);
  // A rest-server of its own: that of the machine is not what is tried.
  await Deno.writeTextFile(`${temp.path}/rest-server`, "#!/bin/sh\necho fake\n", { mode: 0o755 });
  const { stdout } = await new Deno.Command(`${prefix}/bin/restic-rest-server`, {
    args: ["version"],
    env: { MNT_SERVER: `${temp.path}/rest-server`, DENO_DIR: `${temp.path}/deno` },
  }).output();
  assert.match(new TextDecoder().decode(stdout), /^restic-rest-server \d.*\n[^]*fake\n$/);

  const { code, complaint } = await task("uninstall", "--prefix", prefix);
  assert.equal(code, 0, complaint);
  assert.equal(await Deno.stat(`${temp.path}/deep`).catch(() => null), null);
});

Deno.test("install: settings that were changed are kept, what is not ours is kept beside, uninstall touches neither", async () => {
  await using temp = await tempDirectory();
  const prefix = temp.path;
  const config = `${prefix}/etc/default/restic-rest-server`;
  const [unit, hardened] = UNITS.map((name) => `${prefix}/lib/systemd/system/${name}`);
  await Deno.mkdir(`${prefix}/lib/systemd/system`, { recursive: true });
  await Deno.writeTextFile(unit!, "somebody's own\n");
  await Deno.mkdir(`${prefix}/share`);

  const first = await installed(prefix);
  assert.ok(first.includes(`${unit}: another one was there; it is ${unit}.old now\n`));
  assert.equal(await Deno.readTextFile(`${unit}.old`), "somebody's own\n");

  const again = await installed(prefix);
  for (const path of [unit, hardened, config]) assert.ok(again.includes(`${path}: unchanged\n`));

  await Deno.writeTextFile(config, "MNT_SOURCE=LABEL=mine\n");
  await Deno.writeTextFile(hardened!, "changed\n");
  const third = await installed(prefix);
  assert.ok(third.includes(`${config}: kept, for it was changed\n`));
  assert.equal(await Deno.stat(`${config}.new`).catch(() => null), null);
  // As if what was installed had been of another version.
  const record = `${prefix}/lib/restic-rest-server/installed.json`;
  const { files, directories } = JSON.parse(await Deno.readTextFile(record));
  files[config] = "00";
  await Deno.writeTextFile(record, JSON.stringify({ files, directories }));
  const kept = `${config}: kept, for it was changed; what this version brings is ${config}.new\n`;
  assert.ok((await installed(prefix)).includes(kept));
  assert.match(await Deno.readTextFile(`${config}.new`), /^MNT_SOURCE=$/m);
  assert.ok(!(await installed(prefix)).includes(kept));
  assert.ok((await Deno.stat(`${config}.new`)).isFile);
  assert.equal(await Deno.readTextFile(config), "MNT_SOURCE=LABEL=mine\n");
  assert.ok(third.includes(`${hardened}: another one was there; it is ${hardened}.old now\n`));

  const { code, said } = await task("uninstall", "--prefix", prefix);
  assert.equal(code, 0);
  assert.ok(said.includes(`${config}: left, for it was changed\n`));
  assert.ok(said.includes(`${unit}: removed\n`));
  assert.deepEqual(await filesBelow(prefix), [
    "/etc/default/restic-rest-server",
    ...[`${hardened}.old`, `${unit}.old`].map((path) => path.slice(prefix.length)),
  ]);
  // It was there before.
  assert.ok((await Deno.stat(`${prefix}/share`)).isDirectory);
});

Deno.test("install: what an earlier one has put there and this one has not is removed", async () => {
  await using temp = await tempDirectory();
  const prefix = temp.path;
  await installed(prefix);
  const record = `${prefix}/lib/restic-rest-server/installed.json`;
  const { files, directories } = JSON.parse(await Deno.readTextFile(record));
  const [kept, gone] = [`${prefix}/lib/changed`, `${prefix}/lib/old`];
  for (const path of [kept, gone]) await Deno.writeTextFile(path, "");
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  Object.assign(files, { [kept]: "00", [gone]: empty });
  await Deno.writeTextFile(record, JSON.stringify({ files, directories }));
  const said = await installed(prefix);
  assert.ok(said.includes(`${kept}: left, for it was changed\n`));
  assert.ok(said.includes(`${gone}: removed\n`));
  const { files: now } = JSON.parse(await Deno.readTextFile(record));
  assert.ok(!(kept in now) && !(gone in now));
});

Deno.test("install and uninstall: wrong arguments, nothing installed, no permission", async () => {
  await using temp = await tempDirectory();
  for (
    const args of [["--prefix", "relative"], ["--prefix", "/with space"], ["more"], ["--prefix"]]
  ) {
    const { code, complaint } = await task("install", ...args);
    assert.equal(code, 64, args.join(" "));
    assert.match(complaint, /\nUsage: deno task install \[--prefix DIR\]\n$/);
  }
  const nothing = await task("uninstall", "--prefix", temp.path);
  assert.equal(nothing.code, 1);
  assert.match(nothing.complaint, /^Cannot uninstall: ".*" is not there: nothing was installed/);
  const denied = await task("install", "--prefix", "/proc/restic-rest-server");
  assert.equal(denied.code, 1);
  assert.match(denied.complaint, /^Cannot install: [^\n]*\n$/);
});
