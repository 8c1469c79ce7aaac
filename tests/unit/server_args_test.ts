import assert from "node:assert/strict";
import { posix } from "node:path";
import {
  type Listen,
  parseListen,
  parseServerArgs,
  resolvePath,
  SERVER_FLAGS,
  type ServerArgs,
} from "../../mod/server_args.ts";
import { testWith } from "../support/needs.ts";
import { fixture } from "./fixture.ts";

const DEFAULTS: ServerArgs = {
  path: undefined,
  listen: { kind: "tcp", host: "", port: "8000" },
  usesHtpasswd: true,
  htpasswdFile: undefined,
  tls: false,
  tlsCert: undefined,
  tlsKey: undefined,
  log: undefined,
  cpuProfile: undefined,
};

Deno.test("parseServerArgs() reads flags as pflag does", () => {
  const cases: [string[], Partial<ServerArgs>][] = [
    [[], {}],
    [["--path", "/a"], { path: "/a" }],
    [["--path=/a"], { path: "/a" }],
    [["--path=/a=b"], { path: "/a=b" }],
    [["--path", "/a", "--path", "/b"], { path: "/b" }],
    [["--path=/a", "--path", "/b", "--no-auth"], { path: "/b", usesHtpasswd: false }],
    // An empty value is none: nothing can be served from it.
    [["--path="], {}],
    [["--path", ""], {}],
    [["--path", "/a", "--path="], {}],
    [["--path"], {}],
    // A flag that takes a value takes the next argument, whatever that looks like.
    [["--path", "--no-auth"], { path: "--no-auth" }],
    [["--log", "--path", "/a"], { log: "--path" }],
    [["--log=-", "--path", "/a"], { path: "/a" }],
    [["--log", "l", "--cpu-profile=p"], { log: "l", cpuProfile: "p" }],
    [["--tls-cert", "--", "--path", "/a"], { tlsCert: "--", path: "/a" }],
    // "--" ends the flags; others in between do not.
    [["--path", "/a", "--", "--path", "/b", "--no-auth"], { path: "/a" }],
    [["word", "--path", "/a", "-x", ""], { path: "/a" }],
    [["-path", "/a"], {}],
    [["---path", "/a"], {}],
    [["--Path", "/a"], {}],
    [["--paths", "/a"], {}],
    [["--=x", "--path=/a"], { path: "/a" }],
    // A switch takes a value only with "=".
    [["--no-auth", "false"], { usesHtpasswd: false }],
    [["--no-auth=false"], {}],
    [["--no-auth=0", "--tls=1"], { tls: true }],
    [["--no-auth", "--no-auth=F"], {}],
    [["--tls=yes"], {}],
    [["--tls", "--tls-cert", "c", "--tls-key=k"], { tls: true, tlsCert: "c", tlsKey: "k" }],
    [["--htpasswd-file", "/h"], { htpasswdFile: "/h" }],
    [["--proxy-auth-username", "X-User"], { usesHtpasswd: false }],
    [["--proxy-auth-username="], {}],
    [["--listen", "unix:/run/x"], { listen: { kind: "unix", path: "/run/x" } }],
    [["--listen=127.0.0.1:1"], { listen: { kind: "tcp", host: "127.0.0.1", port: "1" } }],
    // Names that every JavaScript object has.
    [["--__proto__", "--path", "/a"], { path: "/a" }],
    [["--constructor", "--path", "/a", "--toString=x"], { path: "/a" }],
    [["--path", "/größe/line\nend"], { path: "/größe/line\nend" }],
  ];
  for (const [args, expected] of cases) {
    assert.deepEqual(parseServerArgs(args), { ...DEFAULTS, ...expected }, args.join(" "));
  }
});

/** The flags of `rest-server --help`; those with a type behind the name take a value. */
function flagsOf(help: string): [string, boolean][] {
  return [...help.matchAll(/^ +(?:-\w, )? *--([a-z-]+)(?: ([a-z]+))? {2,}/gm)]
    .map(([, name, type]): [string, boolean] => [name!, type !== undefined]);
}
const OURS = Object.entries(SERVER_FLAGS).map(([name, { value }]) => [name, value]);

Deno.test("SERVER_FLAGS are those of rest-server 0.14", async () => {
  assert.deepEqual(flagsOf(await fixture("rest-server/help-0.14.0.txt")), OURS);
});

await testWith(["program:rest-server"], "SERVER_FLAGS are those of this rest-server", async () => {
  const { stdout } = await new Deno.Command("rest-server", { args: ["--help"] }).output();
  assert.deepEqual(flagsOf(new TextDecoder().decode(stdout)), OURS);
});

Deno.test("parseServerArgs() takes for true what Go's ParseBool does", () => {
  for (const value of ["1", "t", "T", "TRUE", "true", "True"]) {
    assert.equal(parseServerArgs([`--tls=${value}`]).tls, true, value);
  }
  for (const value of ["0", "f", "F", "FALSE", "false", "False", "", "tRUE", "truee", "on"]) {
    assert.equal(parseServerArgs([`--tls=${value}`]).tls, false, value);
  }
});

Deno.test("parseServerArgs() does not lose --path behind any flag of rest-server", () => {
  for (const [name, { value }] of Object.entries(SERVER_FLAGS)) {
    if (name === "path") continue;
    const args = value ? [`--${name}`, "x"] : [`--${name}`];
    assert.equal(parseServerArgs([...args, "--path", "/a"]).path, "/a", name);
    assert.equal(parseServerArgs([`--${name}=1`, "--path", "/a"]).path, "/a", name);
  }
});

Deno.test("parseListen() reads the addresses of --listen", () => {
  const tcp = (host: string, port: string): Listen => ({ kind: "tcp", host, port });
  const cases: [string, Listen][] = [
    [":8000", tcp("", "8000")],
    ["0.0.0.0:80", tcp("0.0.0.0", "80")],
    ["[::1]:8000", tcp("::1", "8000")],
    ["[fe80::1%eth0]:1", tcp("fe80::1%eth0", "1")],
    ["localhost:http", tcp("localhost", "http")],
    ["localhost", tcp("localhost", "")],
    ["", tcp("", "")],
    [":", tcp("", "")],
    ["unix:/run/a:b.sock", { kind: "unix", path: "/run/a:b.sock" }],
    ["unix:", { kind: "unix", path: "" }],
    ["unix", tcp("unix", "")],
  ];
  for (const [address, expected] of cases) {
    assert.deepEqual(parseListen(address), expected, address);
  }
});

Deno.test("resolvePath() resolves as text alone", () => {
  const cases: [string, string, string][] = [
    ["/a/b", "/x", "/a/b"],
    ["/a//b/", "/x", "/a/b"],
    ["/a/./b/../c", "/x", "/a/c"],
    ["/..", "/x", "/"],
    ["/../../a", "/x", "/a"],
    ["a", "/x/y", "/x/y/a"],
    ["../a", "/x/y", "/x/a"],
    ["./../..", "/x", "/"],
    ["", "/x", "/x"],
    [".", "/", "/"],
    ["...", "/", "/..."],
    ["a b", "/", "/a b"],
  ];
  for (const [path, directory, expected] of cases) {
    assert.equal(resolvePath(path, directory), expected, path);
    assert.equal(posix.resolve(directory, path), expected, "node:path agrees");
  }
});
