import assert from "node:assert/strict";
import { rulesOf, type Sandbox, sandboxOf } from "../../mod/landlock.ts";
import { parseListen } from "../../mod/server_args.ts";

const TCP: Sandbox = { socketDirectory: null, port: 8000 };

/** All that a version knows on files, less EXECUTE, READ_FILE and READ_DIR (bits 0, 2 and 3). */
const HANDLED = { 1: 0x1ff2, 2: 0x3ff2, 3: 0x7ff2, 5: 0xfff2 };
/** WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG; from 2 REFER, from 3 TRUNCATE. */
const STORE = { 1: 0x01b2, 2: 0x21b2, 3: 0x61b2 };

const VERSIONS = [
  { version: 1, handledFs: HANDLED[1], store: STORE[1], file: 0x2, handledNet: 0, scoped: 0 },
  { version: 2, handledFs: HANDLED[2], store: STORE[2], file: 0x2, handledNet: 0, scoped: 0 },
  { version: 3, handledFs: HANDLED[3], store: STORE[3], file: 0x4002, handledNet: 0, scoped: 0 },
  { version: 4, handledFs: HANDLED[3], store: STORE[3], file: 0x4002, handledNet: 3, scoped: 0 },
  { version: 5, handledFs: HANDLED[5], store: STORE[3], file: 0x4002, handledNet: 3, scoped: 0 },
  { version: 6, handledFs: HANDLED[5], store: STORE[3], file: 0x4002, handledNet: 3, scoped: 3 },
  { version: 7, handledFs: HANDLED[5], store: STORE[3], file: 0x4002, handledNet: 3, scoped: 3 },
  { version: 99, handledFs: HANDLED[5], store: STORE[3], file: 0x4002, handledNet: 3, scoped: 3 },
];

Deno.test("rulesOf() asks each version of Landlock for what it knows, to the bit", () => {
  for (const { version, ...expected } of VERSIONS) {
    assert.deepEqual(rulesOf(TCP, version), { ...expected, socket: 0x200 }, `version ${version}`);
  }
});

Deno.test("P5: nothing is allowed that is not handled, and nothing that a store does not need", () => {
  for (const { version } of VERSIONS) {
    const { handledFs, store, file, socket } = rulesOf(TCP, version);
    for (const allowed of [store, file, socket]) assert.equal(allowed & ~handledFs, 0);
    // MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, IOCTL_DEV.
    assert.equal(store & 0x9e40, 0, `version ${version}`);
  }
});

Deno.test("rulesOf() leaves binding alone where the port is not known, and never connecting", () => {
  for (const [port, handledNet] of [[8000, 3], [0, 3], [null, 3], ["any", 2]] as const) {
    assert.equal(rulesOf({ socketDirectory: null, port }, 7).handledNet, handledNet, String(port));
  }
});

Deno.test("sandboxOf() allows what an address of --listen needs", () => {
  const cases: [address: string, Sandbox][] = [
    [":8000", TCP],
    ["[::1]:8000", TCP],
    ["127.0.0.1:0", { socketDirectory: null, port: 0 }],
    [":65535", { socketDirectory: null, port: 65535 }],
    [":00080", { socketDirectory: null, port: 80 }],
    // What rest-server looks up, or refuses, itself.
    [":http", { socketDirectory: null, port: "any" }],
    [":", { socketDirectory: null, port: "any" }],
    ["localhost", { socketDirectory: null, port: "any" }],
    [":65536", { socketDirectory: null, port: "any" }],
    [":-1", { socketDirectory: null, port: "any" }],
    ["unix:/run/rest/server.sock", { socketDirectory: "/run/rest", port: null }],
    ["unix:server.sock", { socketDirectory: "/work", port: null }],
    ["unix:../a/b", { socketDirectory: "/a", port: null }],
    ["unix:/server.sock", { socketDirectory: "/", port: null }],
    ["unix:@rest-server", { socketDirectory: null, port: null }],
  ];
  for (const [address, expected] of cases) {
    assert.deepEqual(sandboxOf(parseListen(address), "/work"), expected, address);
  }
});
