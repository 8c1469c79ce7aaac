/** What is asked before rest-server starts: password file, TLS files, address. */
import assert from "node:assert/strict";
import { checkServer } from "../../mod/preflight.ts";
import { Failure, type FailureKind } from "../../mod/exit.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import type { World } from "../../mod/world.ts";
import { facts, filesOf, type Node, worldOf } from "./fake_parts.ts";

interface Place {
  readonly nodes?: Readonly<Record<string, Node>>;
  readonly tcp?: "in use" | "other" | null;
  readonly answers?: boolean;
  readonly socketActivated?: boolean;
}

/** Checks as `--path /mnt/r` in the working directory `/work`; gives the failure, and what was done. */
async function check(args: readonly string[], place: Place = {}) {
  const { nodes = {}, tcp = null, answers = false, socketActivated = false } = place;
  const asked: string[] = [];
  const removed: string[] = [];
  const world = worldOf({
    socketActivated,
    files: { ...filesOf(nodes), remove: (path) => Promise.resolve(void removed.push(path)) },
    sockets: {
      tcpFault: (host, port) => Promise.resolve((asked.push(`${host}|${port}`), tcp)),
      unixAnswers: (path) => Promise.resolve((asked.push(path), answers)),
    },
    log: { info() {}, warn() {}, error() {} } as World["log"],
  });
  let failure: Failure | undefined;
  try {
    await checkServer(parseServerArgs(args), "/mnt/r", "/work", world);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    failure = error;
  }
  return { failure, asked, removed };
}

const FILE = new Uint8Array(8);

Deno.test("checkServer() wants the password file, or a word that none is used", async () => {
  const file = { "/mnt/r/.htpasswd": FILE };
  const cases: [string[], Record<string, Node>, RegExp | undefined][] = [
    [[], {}, /"\/mnt\/r\/\.htpasswd": it is not there; .*htpasswd -B -c/],
    [[], { "/mnt/r/.htpasswd": new Deno.errors.PermissionDenied("EACCES") }, /EACCES/],
    [[], file, undefined],
    [["--no-auth"], {}, undefined],
    [["--proxy-auth-username", "X-User"], {}, undefined],
    [["--htpasswd-file", "users"], file, /"\/work\/users": it is not there/],
    [["--htpasswd-file", "users"], { "/work/users": FILE }, undefined],
    // A pipe is what a flag can name, and nothing that a disk should have.
    [["--htpasswd-file", "users"], { "/work/users": facts("other") }, undefined],
    [[], { "/mnt/r/.htpasswd": facts("other") }, /it is a pipe or a device; .*htpasswd -B -c/],
  ];
  for (const [args, nodes, expected] of cases) {
    const { failure } = await check(args, { nodes });
    assert.equal(failure?.kind, expected === undefined ? undefined : "configuration");
    if (expected !== undefined) assert.match(failure!.message, expected);
  }
});

Deno.test("checkServer() wants both TLS files where --tls is given, and only then", async () => {
  const both = { "/mnt/r/public_key": FILE, "/mnt/r/private_key": FILE };
  const cases: [string[], Record<string, Node>, RegExp | undefined][] = [
    [["--tls-cert", "nowhere"], {}, undefined],
    [["--tls"], {}, /TLS certificate "\/mnt\/r\/public_key"/],
    [["--tls"], { "/mnt/r/public_key": FILE }, /TLS key "\/mnt\/r\/private_key"/],
    [["--tls"], both, undefined],
    [["--tls", "--tls-key", "key.pem"], both, /TLS key "\/work\/key\.pem"/],
  ];
  for (const [args, nodes, expected] of cases) {
    const { failure } = await check(["--no-auth", ...args], { nodes });
    assert.equal(failure === undefined, expected === undefined, args.join(" "));
    if (expected !== undefined) assert.match(failure!.message, expected);
  }
});

Deno.test("checkServer() asks for the address that rest-server will listen on", async () => {
  const cases: [string[], Place, string[], FailureKind | undefined][] = [
    [[], {}, ["|8000"], undefined],
    [[], { tcp: "in use" }, ["|8000"], "busy"],
    // What else is wrong with an address is rest-server's to say.
    [[], { tcp: "other" }, ["|8000"], undefined],
    [["--listen", "[::1]:9"], { tcp: "in use" }, ["::1|9"], "busy"],
    [["--listen", ":0"], { tcp: "in use" }, [], undefined],
    [["--listen", ":http"], { tcp: "in use" }, [], undefined],
    [["--listen", ":99999"], { tcp: "in use" }, [], undefined],
    [[], { tcp: "in use", socketActivated: true }, [], undefined],
  ];
  for (const [args, place, asked, kind] of cases) {
    const result = await check(["--no-auth", ...args], place);
    assert.deepEqual(result.asked, asked, args.join(" "));
    assert.equal(result.failure?.kind, kind, args.join(" "));
  }
});

Deno.test("checkServer() removes a dead socket, and nothing else", async () => {
  const at = (kind: "socket" | "file") => ({ "/work/s": facts(kind) });
  const cases: [Place, string[], FailureKind | undefined][] = [
    [{}, [], undefined],
    [{ nodes: at("file") }, [], undefined],
    [{ nodes: at("socket") }, ["/work/s"], undefined],
    [{ nodes: at("socket"), answers: true }, [], "busy"],
  ];
  for (const [place, removed, kind] of cases) {
    const result = await check(["--no-auth", "--listen", "unix:s"], place);
    assert.deepEqual(result.removed, removed);
    assert.equal(result.failure?.kind, kind);
  }
});
