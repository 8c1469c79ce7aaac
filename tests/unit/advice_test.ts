import assert from "node:assert/strict";
import { adviseMount, adviseServer, type Surroundings } from "../../mod/advice.ts";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import type { Platform } from "../../mod/exit.ts";
import type { Finding } from "../../mod/findings.ts";
import { parseServerArgs } from "../../mod/server_args.ts";

const AROUND: Surroundings = { platform: "host", socketActivated: false, mounted: true };

Deno.test("adviseServer() warns where a default of rest-server surprises, and only there", () => {
  const quiet = ["--path", "/a", "--append-only", "--private-repos"];
  const cases: [string[], Partial<Surroundings>, string[]][] = [
    [[...quiet, "--listen", "127.0.0.1:8000"], {}, []],
    [[...quiet, "--listen", "[::1]:8000"], {}, []],
    [[...quiet, "--listen", "unix:/run/x"], {}, []],
    [[...quiet, "--listen", ":8000", "--tls"], {}, []],
    [["check", ...quiet, "--tls", "--listen", ":1", "x"], {}, ["words", "words"]],
    [[...quiet, "--tls", "--listen", ":1", "--", "--x"], {}, ["words"]],
    [[...quiet, "--tls", "--listen", ":1", "--pth", "/x"], {}, ["flags"]],
    [[...quiet, "--listen", ":8000"], {}, ["--tls"]],
    [[...quiet, "--listen", "192.0.2.1:8000"], {}, ["--tls"]],
    [[...quiet, "--listen", ":8000", "--tls=false"], {}, ["--tls"]],
    [[...quiet, "--tls"], {}, ["--listen"]],
    [[...quiet, "--tls"], { socketActivated: true }, []],
    [[...quiet, "--no-auth", "--listen", ":8000"], {}, ["--no-auth"]],
    [[...quiet, "--no-auth", "--listen", "127.0.0.1:1"], {}, []],
    [[...quiet, "--proxy-auth-username", "X", "--listen", ":1"], {}, ["--proxy-auth-username"]],
    [["--append-only", "--listen", "localhost:1"], {}, ["--private-repos"]],
    [["--private-repos", "--listen", "localhost:1"], {}, ["--append-only"]],
    [["--append-only=0", "--no-auth", "--listen", "127.0.0.1:1"], {}, ["--append-only"]],
    [["--append-only", "--no-auth", "--listen", "127.0.0.1:1"], { mounted: false }, ["--path"]],
    [[...quiet, "--no-auht", "--listen", "127.0.0.1:1"], {}, ["flags"]],
  ];
  for (const [args, around, names] of cases) {
    const found = adviseServer(args, { ...AROUND, ...around });
    assert.deepEqual(found.map(({ name }) => name), names, args.join(" "));
    assert.ok(found.every(({ level, cure }) => level === "warning" && cure !== null));
  }
  const memory = adviseServer([], { ...AROUND, mounted: false, platform: "gokrazy" });
  assert.match(memory.find(({ name }) => name === "--path")!.text, /\/tmp\/restic \(memory/);
});

function advise(env: Record<string, string>, platform: Platform = "host"): Finding[] {
  const settings = mergeSettings({ MNT_SOURCE: "box:/x", MNT_TARGET: "/a", ...env });
  const config = parseConfig(settings, parseServerArgs(["--path", "/a"]), "/");
  return adviseMount(config, config.mount!.fstype, platform);
}

Deno.test("adviseMount() warns of NFS 4.2, and of a version that is left open", () => {
  const cases: [fstype: string, data: string, boolean][] = [
    ["nfs4", "vers=4.1,addr=10.0.2.2", false],
    ["nfs4", "addr=10.0.2.2,vers=4.2", true],
    ["nfs4", "vers=4.2,vers=4.1", false],
    ["nfs4", "nfsvers=4.2", true],
    ["nfs4", "vers=4,minorversion=2", true],
    ["nfs4", "vers=4,minorversion=1", false],
    ["nfs4", "addr=10.0.2.2", true],
    ["nfs", "", true],
    ["nfs", "vers=3", false],
    ["cifs", "", false],
    ["9p", "version=9p2000.L", false],
  ];
  for (const [MNT_FSTYPE, MNT_DATA, warned] of cases) {
    const found = advise({ MNT_FSTYPE, MNT_DATA });
    const version = found.some(({ text }) => text.includes("zeros"));
    assert.equal(version, warned, `${MNT_FSTYPE} ${MNT_DATA}`);
  }
});

Deno.test("adviseMount() wants the address of an NFS server, and an end to waiting for it", () => {
  const ask = (MNT_DATA: string) =>
    advise({ MNT_FSTYPE: "nfs4", MNT_DATA }).map(({ level, text }) => `${level}: ${text}`);
  assert.deepEqual(ask("vers=4.1"), [
    "error: the kernel does not look up names, and addr= is missing",
    "warning: without soft the kernel waits for ever for a server that is away",
  ]);
  assert.deepEqual(ask("vers=4.1,addr=192.0.2.1,soft"), []);
});

Deno.test("adviseMount() warns of ro, of no watch, and of a long stop on gokrazy", () => {
  const cifs = { MNT_FSTYPE: "cifs" };
  const names = (env: Record<string, string>, platform?: Platform) =>
    advise({ ...cifs, ...env }, platform).map(({ name }) => name);
  assert.deepEqual(names({ MNT_OPTIONS: "ro" }), ["options"]);
  assert.deepEqual(names({ MNT_WATCH: "0" }), ["MNT_WATCH"]);
  assert.deepEqual(names({ MNT_STOP: "90" }), []);
  assert.deepEqual(names({ MNT_STOP: "90" }, "gokrazy"), ["MNT_STOP"]);
});
