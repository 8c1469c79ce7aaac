/**
 * Stands where rest-server would, tries all that P5 is about at each SIGUSR2, and prints what came of it as
 * a line of JSON. Plain JavaScript, for Deno would keep a compiled form elsewhere.
 */
const { INSIDE, OUTSIDE, PEER_PORT, FREE_PORT, PEER_PID } = Deno.env.toObject();

const run = (...words) => {
  const { success } = new Deno.Command(words[0], {
    args: words.slice(1),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  if (!success) throw new Error("failed");
};

/** In one directory, where `file` and `empty` (a directory) are. */
const IN_A_DIRECTORY = {
  read: (at) => Deno.readTextFileSync(`${at}/file`),
  list: (at) => [...Deno.readDirSync(at)],
  create: (at) => Deno.writeTextFileSync(`${at}/new`, "x", { createNew: true }),
  write: (at) => Deno.writeTextFileSync(`${at}/file`, "y", { append: true }),
  truncate: (at) => Deno.truncateSync(`${at}/file`, 0),
  rename: (at) => Deno.renameSync(`${at}/file`, `${at}/file2`),
  link: (at) => Deno.linkSync(`${at}/other`, `${at}/linked`),
  symlink: (at) => Deno.symlinkSync("file", `${at}/symlink`),
  mkdir: (at) => Deno.mkdirSync(`${at}/directory`),
  rmdir: (at) => Deno.removeSync(`${at}/empty`),
  remove: (at) => Deno.removeSync(`${at}/other`),
  fifo: (at) => run("mkfifo", `${at}/fifo`),
  socket: (at) => Deno.listen({ transport: "unix", path: `${at}/socket` }).close(),
};

const ELSEWHERE = {
  "rename out": () => Deno.renameSync(`${INSIDE}/out`, `${OUTSIDE}/out`),
  "rename in": () => Deno.renameSync(`${OUTSIDE}/in`, `${INSIDE}/in`),
  "link out": () => Deno.linkSync(`${INSIDE}/out`, `${OUTSIDE}/out`),
  "through a symlink": () => Deno.writeTextFileSync(`${INSIDE}/link/new`, "x"),
  "/dev/null": () => Deno.writeTextFileSync("/dev/null", "x"),
  "mount": () => run("mount", "-t", "tmpfs", "tmpfs", OUTSIDE),
  "bind another port": () =>
    Deno.listen({ hostname: "127.0.0.1", port: Number(FREE_PORT) }).close(),
  "connect": async () => (await Deno.connect({ port: Number(PEER_PORT) })).close(),
  "signal": () => Deno.kill(Number(PEER_PID), "SIGCONT"),
};

async function outcome(action) {
  try {
    await action();
    return "done";
  } catch {
    return "refused";
  }
}

async function round() {
  const results = {};
  for (const [where, at] of Object.entries({ inside: INSIDE, outside: OUTSIDE })) {
    for (const [what, act] of Object.entries(IN_A_DIRECTORY)) {
      results[`${what} ${where}`] = await outcome(() => act(at));
    }
  }
  for (const [what, act] of Object.entries(ELSEWHERE)) results[what] = await outcome(act);
  console.log(JSON.stringify(results));
}

Deno.addSignalListener("SIGUSR2", round);
Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
console.log("ready");
// A listener alone would not keep it.
setInterval(() => {}, 1e9);
