import assert from "node:assert/strict";
import { adviseMount, adviseServer, type Surroundings } from "../../mod/advice.ts";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import type { Platform } from "../../mod/exit.ts";
import { parseServerArgs } from "../../mod/server_args.ts";

const AROUND: Surroundings = { platform: "host", socketActivated: false, mounted: true };

Deno.test("adviseServer() warns where a default of rest-server surprises, and only there", () => {
  const quiet = ["--path", "/a", "--append-only", "--private-repos"];
  const cases: [string[], Partial<Surroundings>, string[]][] = [
    [[...quiet, "--listen", "127.0.0.1:8000"], {}, []],
    [[...quiet, "--listen", "[::1]:8000"], {}, []],
    [[...quiet, "--listen", "unix:/run/x"], {}, []],
    [[...quiet, "--listen", ":8000", "--tls"], {}, []],
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

function advise(env: Record<string, string>, platform: Platform = "host"): string[] {
  const settings = mergeSettings({ MNT_SOURCE: "box:/x", MNT_TARGET: "/a", ...env });
  const config = parseConfig(settings, parseServerArgs(["--path", "/a"]), "/");
  return adviseMount(config, config.mount!.fstype, platform).map(({ name }) => name);
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
    const names = advise({ MNT_FSTYPE, MNT_DATA });
    assert.deepEqual(names, warned ? ["NFS version"] : [], `${MNT_FSTYPE} ${MNT_DATA}`);
  }
});

Deno.test("adviseMount() warns of ro, of no watch, and of a long stop on gokrazy", () => {
  const cifs = { MNT_FSTYPE: "cifs" };
  assert.deepEqual(advise({ ...cifs, MNT_OPTIONS: "ro" }), ["options"]);
  assert.deepEqual(advise({ ...cifs, MNT_WATCH: "0" }), ["MNT_WATCH"]);
  assert.deepEqual(advise({ ...cifs, MNT_STOP: "90" }), []);
  assert.deepEqual(advise({ ...cifs, MNT_STOP: "90" }, "gokrazy"), ["MNT_STOP"]);
});
