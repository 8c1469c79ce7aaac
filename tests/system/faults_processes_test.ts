/** Faults of processes: killed, stopped, frozen, short of memory, processes or descriptors. */
import assert from "node:assert/strict";
import { cgroupLack, freeze, group, lift, shutDown } from "../support/causes.ts";
import { run } from "../support/command.ts";
import { type Fault, faultTests, type Stage } from "../support/faults.ts";
import { httpStatus } from "../support/http.ts";
import { isRunning } from "../support/processes.ts";
import { until } from "../support/wait.ts";

/** Sends a signal to rest-server alone. */
const toServer = (signal: Deno.Signal) => ({ server }: Stage) =>
  Promise.resolve(Deno.kill(server, signal));

/** Limits a resource of a process that runs: prlimit(1). */
async function limit(pid: number, resource: string): Promise<void> {
  await run("prlimit", `--pid=${pid}`, `--${resource}`);
}

/** A path that is there with the cure. */
const LATE = {
  before: ({ where }: Stage) =>
    Promise.resolve({ source: `${where.directory}/disk`, env: { MNT_FSTYPE: "ext4" } }),
  appear: ({ disk, where }: Stage) => Deno.symlink(disk.path, `${where.directory}/disk`),
};

/** rest-server, ended by a signal of somebody else's: its own code, and nothing left mounted. */
const SIGNALLED: readonly (readonly [Deno.Signal, number, RegExp])[] = [
  ["SIGKILL", 137, /error: rest-server was ended by SIGKILL/],
  ["SIGTERM", 0, /rest-server ended with exit code 0/],
  ["SIGQUIT", 2, /error: rest-server ended with exit code 2; its own lines above say why/],
  ["SIGABRT", 2, /error: rest-server ended with exit code 2/],
  ["SIGSEGV", 2, /error: rest-server ended with exit code 2/],
  ["SIGBUS", 2, /error: rest-server ended with exit code 2/],
];
const signalled = SIGNALLED.map(([signal, code, says]): Fault => ({
  name: `kill: ${signal} to rest-server alone`,
  serving: toServer(signal),
  says,
  processes: "ended",
  mounts: 0,
  code,
}));

/** The program, ended by a signal: rest-server dies with it, and the mount is left for the next run. */
const WRAPPER_SIGNALLED: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGKILL", 137],
  ["SIGABRT", 134],
  ["SIGTRAP", 133],
  ["SIGILL", 132],
];
const killed = WRAPPER_SIGNALLED.map(([signal, code]): Fault => ({
  name:
    `kill: ${signal} to the program: rest-server dies with it, the mount is left for the next run`,
  async serving(stage) {
    const { wrapper, server, where, cause } = stage;
    cause.defer(async () => void await run("umount", where.target));
    cause.defer(() => Deno.remove(lockFile(stage)));
    wrapper.signal(signal);
    await until(() => !isRunning(server), "the end of rest-server");
  },
  says: null,
  processes: "ended",
  mounts: 1,
  code,
  mountsAfter: 1,
}));

function lockFile({ where }: Stage): string {
  return `/run/restic-rest-server/${encodeURIComponent(where.target)}.lock`;
}

await faultTests([
  ...signalled,
  ...killed,
  {
    name: "kill: SIGKILL to the program while it waits: nothing was mounted",
    before: LATE.before,
    async waiting(stage) {
      stage.cause.defer(() => Deno.remove(lockFile(stage)));
      stage.wrapper.signal("SIGKILL");
      await stage.wrapper.code();
    },
    says: null,
    processes: "ended",
    mounts: 0,
    code: 137,
  },
  {
    name: "stop: a stopped rest-server is killed after MNT_STOP",
    before: () => Promise.resolve({ env: { MNT_STOP: "1" } }),
    serving({ server, wrapper }) {
      Deno.kill(server, "SIGSTOP");
      wrapper.signal("SIGTERM");
      return Promise.resolve();
    },
    says: /warning: killing rest-server \(process \d+\): it did not stop within 1 s \(MNT_STOP\)/,
    processes: "ended",
    mounts: 0,
    code: 137,
  },
  {
    name: "stop: a stopped rest-server of a lost disk is killed, and the disk served again",
    needs: ["program:xfs_io"],
    async serving({ server, where }) {
      Deno.kill(server, "SIGSTOP");
      await shutDown(where.target);
    },
    says: /warning: killing rest-server \(process \d+\): it did not stop within 2 s$/,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "stop: the program is stopped, asked to end, and continued",
    async serving({ wrapper, server }) {
      wrapper.signal("SIGSTOP");
      wrapper.signal("SIGTERM");
      assert.ok(isRunning(server));
      await httpStatus("http://127.0.0.1:1").catch(() => {});
      wrapper.signal("SIGCONT");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "stop: the disk is lost while the program is stopped: seen once it is continued",
    needs: ["program:xfs_io"],
    async serving({ wrapper, where }) {
      wrapper.signal("SIGSTOP");
      await shutDown(where.target);
      wrapper.signal("SIGCONT");
    },
    says: / is lost: its file system was shut down/,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
  {
    name: "freeze: rest-server in a frozen cgroup is killed after MNT_STOP",
    ignored: cgroupLack("freezer"),
    before: () => Promise.resolve({ env: { MNT_STOP: "1" } }),
    async serving(stage) {
      await freeze(stage, stage.server);
      stage.wrapper.signal("SIGTERM");
    },
    says: /warning: killing rest-server .*: it did not stop within 1 s \(MNT_STOP\)/,
    processes: "ended",
    mounts: 0,
    code: 137,
  },
  {
    name: "freeze: rest-server in a frozen cgroup of version 1 outlives SIGKILL until the thaw",
    ignored: cgroupLack("freezer", 1),
    before: () => Promise.resolve({ env: { MNT_STOP: "1" } }),
    async serving(stage) {
      await freeze(stage, stage.server, 1);
      stage.wrapper.signal("SIGTERM");
    },
    says: /warning: killing rest-server .*: it did not stop within 1 s \(MNT_STOP\)/,
    processes: "runs on",
    mounts: 1,
    cure: lift,
    cured: "ends",
    code: 137,
  },
  {
    name: "freeze: the program in a frozen cgroup stops as asked once it is thawed",
    ignored: cgroupLack("freezer"),
    async serving(stage) {
      await freeze(stage, stage.wrapper.pid);
      stage.wrapper.signal("SIGTERM");
      assert.ok(isRunning(stage.server));
      await stage.cause.disposeAsync();
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "memory: the kernel kills rest-server at its limit: 137, unmounted",
    ignored: cgroupLack("memory"),
    async serving(stage) {
      const { add, set } = await group(stage, "memory");
      await set(["memory.limit_in_bytes", "memory.max"], ["1M", "1M"]);
      await add(stage.server);
      const { hostname, port } = new URL(stage.url);
      const head = new TextEncoder().encode(`GET / HTTP/1.1\r\nX: ${"x".repeat(900_000)}`);
      // Each head that does not end is kept in memory.
      for (let i = 0; i < 100 && isRunning(stage.server); i++) {
        const connection = await Deno.connect({ hostname, port: Number(port) }).catch(() => null);
        if (connection === null) break;
        stage.cause.use(connection);
        await connection.write(head).catch(() => {});
      }
    },
    says: /error: rest-server was ended by SIGKILL/,
    processes: "ended",
    mounts: 0,
    code: 137,
  },
  {
    name: "memory: no address space is left for rest-server: its own words, its code, unmounted",
    async serving({ server, url }) {
      await limit(server, "as=1");
      for (let i = 0; i < 2000 && isRunning(server); i++) {
        await Promise.all(
          Array.from({ length: 20 }, () => httpStatus(`${url}/config`).catch(() => {})),
        );
      }
    },
    says: /error: rest-server ended with exit code 2; its own lines above say why/,
    processes: "ended",
    mounts: 0,
    code: 2,
  },
  {
    name: "fork refused: blkid cannot be started: waits and says so; served once it can",
    ignored: cgroupLack("pids"),
    before: ({ where }) => Promise.resolve({ source: `${where.directory}/disk` }),
    async waiting(stage) {
      const { add, set } = await group(stage, "pids");
      const files = ["pids.max", "pids.max"] as const;
      stage.cause.defer(() => set(files, ["max", "max"]));
      await add(stage.wrapper.pid);
      await set(files, ["1", "1"]);
      await LATE.appear(stage);
    },
    says: /waiting for .*: .*(os error 11)/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "fork refused: rest-server cannot be started: 75, unmounted",
    ignored: cgroupLack("pids"),
    before: LATE.before,
    async waiting(stage) {
      const { add, set } = await group(stage, "pids");
      await add(stage.wrapper.pid);
      await set(["pids.max", "pids.max"], ["1", "1"]);
      await LATE.appear(stage);
    },
    says: /error: Cannot start (a process for )?rest-server: .*; check the limits on processes/,
    processes: "ended",
    mounts: 0,
    code: 75,
  },
  {
    name: "descriptors: none is left for blkid: waits and says so; served once there are",
    before: ({ where }) => Promise.resolve({ source: `${where.directory}/disk` }),
    async waiting(stage) {
      const { wrapper, cause } = stage;
      await limit(wrapper.pid, "nofile=5:1024");
      cause.defer(() => limit(wrapper.pid, "nofile=1024:1024"));
      await LATE.appear(stage);
    },
    says: /waiting for .*: .*\(os error 24\)/,
    processes: "waits",
    mounts: 0,
    cure: lift,
    code: 0,
  },
  {
    name: "descriptors: none is left for a look at the disk: said, and nothing is taken for lost",
    async serving({ wrapper, cause }) {
      await limit(wrapper.pid, "nofile=5:1024");
      cause.defer(() => limit(wrapper.pid, "nofile=1024:1024"));
    },
    says: /error: Cannot look at ".*": .*\(os error 24\)/,
    processes: "serves on",
    mounts: 1,
    cure: lift,
    code: 0,
  },
  {
    name: "descriptors: none is left for a stop: rest-server is stopped and the disk unmounted",
    async serving({ wrapper }) {
      await limit(wrapper.pid, "nofile=5:1024");
      wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    name: "descriptors: rest-server has none left for an upload, and serves on",
    async serving({ server, url, wrapper }) {
      await httpStatus(`${url}/?create=true`, { method: "POST" });
      await limit(server, "nofile=5:1024");
      await httpStatus(`${url}/config`, { method: "POST", body: "x" }).catch(() => {});
      await limit(server, "nofile=1024:1024");
      assert.equal(await httpStatus(`${url}/config`, { method: "POST", body: "x" }), 200);
      wrapper.signal("SIGTERM");
    },
    says: / unmounted "/,
    processes: "ended",
    mounts: 0,
    code: 0,
  },
  {
    // The kernel sends SIGXFSZ for each file of the program's own: passed on, it ends no rest-server that starts.
    name: "file size: none may be written: it says so, and rest-server is started and serves",
    before: LATE.before,
    async waiting(stage) {
      await limit(stage.wrapper.pid, "fsize=0");
      await LATE.appear(stage);
    },
    says: /^start server on /,
    processes: "serves anew",
    mounts: 1,
    code: 0,
  },
]);
