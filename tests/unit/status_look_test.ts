/** What a look at a run concludes, with each thing missing in turn. */
import assert from "node:assert/strict";
import { parseTcpListeners, parseUnixListeners } from "../../mod/proc_net.ts";
import { listenersOf, lookAt, type StatusEdges } from "../../mod/status_look.ts";
import type { StatusRecord } from "../../mod/status_record.ts";
import { filesOf, type Node } from "./fake_parts.ts";

const stat = (pid: number, startTime: number) =>
  `${pid} (x) S ${Array.from({ length: 18 }, () => 0).join(" ")} ${startTime} 0\n`;

const TCP =
  `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 501 1 x 100 0 0 10 0
   1: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 x 100 0 0 10 0
   2: 0100007F:1F40 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 502 1 x 20 4 30 10 -1
`;
const TCP6 = TCP.replaceAll("0100007F:1F40 0", "00000000000000000000000001000000:1F40 0");
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 503 /run/a socket
0000000000000000: 00000003 00000000 00000000 0001 03 504 /run/b
`;

const NODES: Readonly<Record<string, Node>> = {
  "/proc/1/stat": stat(1, 1),
  "/proc/7/stat": stat(7, 70),
  "/proc/8/stat": stat(8, 80),
  "/proc/7/ns/mnt": "mnt:[1]",
  "/proc/self/ns/mnt": "mnt:[1]",
  "/proc/7/mountinfo": "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n",
  "/proc/8/fd": "0\n3\n4",
  "/proc/8/fd/0": "/dev/null",
  "/proc/8/fd/3": "socket:[501]",
  "/proc/8/fd/4": "socket:[502]",
  "/proc/8/net/tcp": TCP,
  "/proc/8/net/tcp6": "",
  "/proc/8/net/unix": UNIX,
};

const RECORD: StatusRecord = {
  ...{ version: 1, wrapper: { pid: 7, startTime: "70" }, phase: "serving", sinceMs: 0 },
  ...{ text: "serving", source: "/dev/sda1", target: "/mnt", fstype: "ext4" },
  ...{ devices: ["/dev/sda1"], server: { pid: 8, startTime: "80" }, starts: 1, losses: 0 },
  ...{ restarts: 0, failure: null, ended: null },
};
const SPACE = { sizeBytes: 10, usedBytes: 4, freeBytes: 5, inodes: 3, freeInodes: 2 };

/** Nodes that are not there are given as `null`. */
function look(
  { nodes = {}, edges = {}, record = {} }: {
    nodes?: Record<string, Node | null>;
    edges?: Partial<StatusEdges>;
    record?: Partial<StatusRecord>;
  } = {},
) {
  const there = Object.entries({ ...NODES, ...nodes }).filter(([, node]) => node !== null);
  const files = filesOf(Object.fromEntries(there) as Record<string, Node>);
  const asked: string[] = [];
  const all: StatusEdges = {
    files,
    clock: { now: () => 0, sleep: () => new Promise(() => {}) },
    readText: (path) => files.readText(path),
    statfs: (path) => Promise.resolve((asked.push(path), SPACE)),
    ...edges,
  };
  return lookAt({ record: { ...RECORD, ...record }, path: "/run/x.status" }, all).then((seen) => ({
    ...seen,
    asked,
  }));
}

Deno.test("all is well", async () => {
  const seen = await look();
  assert.equal(seen.why, null);
  assert.deepEqual([seen.alive, seen.serverAlive, seen.space], [true, true, SPACE]);
  assert.deepEqual(seen.listening, ["127.0.0.1:8000"]);
  assert.equal(seen.mount!.mountPoint, "/mnt");
  assert.deepEqual(seen.asked, ["/mnt"]);
});

Deno.test("a mount of another namespace is asked for by way of its process", async () => {
  assert.deepEqual((await look({ nodes: { "/proc/7/ns/mnt": "mnt:[2]" } })).asked, [
    "/proc/7/root/mnt",
  ]);
  // Where that may not be looked at, the way is the only one there is.
  assert.deepEqual((await look({ nodes: { "/proc/7/ns/mnt": null } })).asked, ["/mnt"]);
});

const denied = new Deno.errors.PermissionDenied("denied");
const WHY: [string, Parameters<typeof look>[0], RegExp | null][] = [
  ["no process", { nodes: { "/proc/7/stat": null } }, /process 7 is gone \(it was killed, or/],
  ["another process", { nodes: { "/proc/7/stat": stat(7, 71) } }, /process 7 is gone/],
  ["it ended", { nodes: { "/proc/7/stat": null }, record: { ended: "so" } }, /is gone \(so\)$/],
  [
    "no view of any process",
    { nodes: { "/proc/7/stat": null, "/proc/1/stat": null } },
    /^nobody can tell: \/proc shows this user no process of others, such as 7$/,
  ],
  ["a phase", { record: { phase: "waiting", text: "waiting for it" } }, /^waiting for it$/],
  ["no rest-server", { nodes: { "/proc/8/stat": null } }, /^rest-server is gone \(process 8\)$/],
  ["another one", { nodes: { "/proc/8/stat": stat(8, 1) } }, /^rest-server is gone/],
  ["none noted", { record: { server: null } }, /^rest-server is gone$/],
  ["no mount", { nodes: { "/proc/7/mountinfo": "" } }, /^nothing is mounted on "\/mnt"$/],
  ["no socket", { nodes: { "/proc/8/fd": "0" } }, /^rest-server listens on no socket$/],
  ["no view of it", { edges: { readText: () => Promise.reject(denied) } }, null],
  ["no view of the space", { edges: { statfs: () => Promise.reject(denied) } }, null],
  ["no view of its descriptors", { nodes: { "/proc/8/fd": denied } }, null],
  [
    "an error of the disk",
    { edges: { statfs: () => Promise.reject(new Error("EIO: i/o error")) } },
    /^Cannot ask "\/mnt": EIO/,
  ],
  [
    "a disk that hangs",
    {
      edges: {
        statfs: () => new Promise(() => {}),
        clock: { now: () => 0, sleep: () => Promise.resolve() },
        readText: (path) => Promise.resolve(NODES[path] as string),
      },
    },
    /^Cannot ask "\/mnt": no answer within 3 s; is the disk hanging\?$/,
  ],
  ["no mount asked for", { record: { target: null }, nodes: { "/proc/7/mountinfo": "" } }, null],
];
for (const [name, change, why] of WHY) {
  Deno.test(`${name}: ${why === null ? "it serves" : "it does not serve, and why"}`, async () => {
    const seen = await look(change);
    if (why === null) assert.equal(seen.why, null);
    else assert.match(seen.why!, why);
  });
}

Deno.test("listenersOf() takes a process's own listening sockets, each address once", () => {
  const links = ["/dev/null", "socket:[501]", "socket:[502]", "socket:[503]", "pipe:[777]"];
  const all = [TCP, TCP6].flatMap(parseTcpListeners).concat(parseUnixListeners(UNIX));
  assert.deepEqual(listenersOf(links, all), [
    "127.0.0.1:8000",
    "[::1]:8000",
    "unix:/run/a socket",
  ]);
  assert.deepEqual(listenersOf(links.concat(links), all).length, 3);
  assert.deepEqual(listenersOf([], all), []);
});

Deno.test("a rest-server that outlives its wrapper is shown with what it listens on", async () => {
  const seen = await look({ nodes: { "/proc/7/stat": null } });
  assert.deepEqual([seen.serverAlive, seen.listening], [true, ["127.0.0.1:8000"]]);
  assert.match(seen.why!, /process 7 is gone/);
});
