import assert from "node:assert/strict";
import { cleanEnvironment, encodingProblems } from "../../mod/environment.ts";

Deno.test("P10: cleanEnvironment() takes out MNT_*, what Deno added and what is meant for this process alone, nothing else", () => {
  const cases: [Record<string, string>, { remove: string[]; path: string | undefined }][] = [
    [{}, { remove: [], path: undefined }],
    [{ HOME: "/", MNT_SOURCE: "x", LISTEN_PID: "1" }, { remove: ["MNT_SOURCE"], path: undefined }],
    [{ MNT_: "", MNT_UNKNOWN: "", DENO_DIR: "/x", DENO_NODE_SHIM_ACTIVE: "1" }, {
      remove: ["MNT_", "MNT_UNKNOWN", "DENO_DIR", "DENO_NODE_SHIM_ACTIVE"],
      path: undefined,
    }],
    [{ NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "1", WATCHDOG_PID: "1", WATCHDOG: "", NOTIFY: "" }, {
      remove: ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"],
      path: undefined,
    }],
    [{ XMNT_A: "", mnt_a: "", MNT: "", DENO: "", A_DENO_: "" }, { remove: [], path: undefined }],
    [{ PATH: "" }, { remove: [], path: undefined }],
    [{ PATH: "/user:/gokrazy" }, { remove: [], path: undefined }],
    [{ PATH: "/cache/node_compat_bin:/usr/bin:/bin" }, { remove: [], path: "/usr/bin:/bin" }],
    [{ PATH: "/bin::/x/node_compat_bin:" }, { remove: [], path: "/bin::" }],
    [{ PATH: "/x/node_compat_bin" }, { remove: ["PATH"], path: undefined }],
    [{ PATH: "/x/node_compat_bin/y:/my_node_compat_bin" }, { remove: [], path: undefined }],
  ];
  for (const [environment, expected] of cases) {
    assert.deepEqual(cleanEnvironment(environment), expected, JSON.stringify(environment));
  }
});

Deno.test("encodingProblems() names MNT_ variables that are not UTF-8, and no others", () => {
  const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const cases: [string, string[]][] = [
    ["", []],
    ["MNT_SOURCE=LABEL=a\0PATH=/bin\0", []],
    ["MNT_SOURCE=LABEL=\xe9\0A=\xe9\0MNT_TARGET=/\xff", ["MNT_SOURCE", "MNT_TARGET"]],
    ["MNT_DATA=\xc3\xa9\0\0=x\0", []],
  ];
  for (const [environ, names] of cases) {
    const problems = names.map((name) =>
      `Cannot use ${name}: its value is not UTF-8; set it again as UTF-8`
    );
    assert.deepEqual(encodingProblems(latin1(environ)), problems);
  }
});
