/** Who listens, by the text of the kernel. */
import assert from "node:assert/strict";
import {
  type Listener,
  parseTcpListeners,
  parseUnixListeners,
  takenBy,
} from "../../mod/proc_net.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const row = (address: string, state: string, inode: number) =>
  `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ` +
  `${inode} 2 000000007fd6b5e9 100 0 0 10 0\n`;

Deno.test("parseTcpListeners() reads addresses of both families, and listeners alone", () => {
  const text = HEAD + row("0100007F:1F40", "0A", 1) + row("00000000:0050", "0A", 2) +
    row("0100007F:1F41", "01", 3) +
    row("00000000000000000000000001000000:1F40", "0A", 4) +
    row("00000000000000000000000000000000:0016", "0A", 5) +
    row("0000000000000000FFFF00000100007F:0017", "0A", 6) +
    row("B80D0120000000000000000001000000:0018", "0A", 7);
  assert.deepEqual(parseTcpListeners(text), [
    { host: "127.0.0.1", port: 8000, inode: "1" },
    { host: "0.0.0.0", port: 80, inode: "2" },
    { host: "::1", port: 8000, inode: "4" },
    { host: "::", port: 22, inode: "5" },
    { host: "127.0.0.1", port: 23, inode: "6" },
    { host: "2001:db8::1", port: 24, inode: "7" },
  ]);
  assert.deepEqual(parseTcpListeners("rubbish\n"), []);
});

Deno.test("the kernel's own text of sockets that are listened on here", () => {
  using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = tcp.addr;
  const listeners = parseTcpListeners(Deno.readTextFileSync("/proc/net/tcp"));
  assert.ok(listeners.some((one) => one.host === "127.0.0.1" && one.port === port));
  const path = `${Deno.makeTempDirSync()}/a socket`;
  {
    using _unix = Deno.listen({ transport: "unix", path });
    const unix = parseUnixListeners(Deno.readTextFileSync("/proc/net/unix"));
    assert.equal(unix.filter(({ host }) => host === path).length, 1);
  }
  const gone = parseUnixListeners(Deno.readTextFileSync("/proc/net/unix"));
  assert.equal(gone.filter(({ host }) => host === path).length, 0);
  Deno.removeSync(path.replace(/\/[^/]*$/, ""), { recursive: true });
});

Deno.test("parseUnixListeners() leaves out connections and sockets without a name", () => {
  const text = `Num       RefCount Protocol Flags    Type St Inode Path
0000000052c56b09: 00000003 00000000 00000000 0001 03 2916304
0000000052c56b09: 00000003 00000000 00000000 0001 03 2916305 /run/connected
000000009aba653c: 00000002 00000000 00010000 0001 01 2970944 /run/a b
0000000088d28720: 00000002 00000000 00010000 0001 01 2974349 @abstract
`;
  assert.deepEqual(parseUnixListeners(text).map(({ host, inode }) => [host, inode]), [
    ["/run/a b", "2970944"],
    ["@abstract", "2974349"],
  ]);
});

Deno.test("takenBy() finds what keeps an address from being listened on", () => {
  const at = (host: string, port = 8000): Listener => ({ host, port, inode: "1" });
  const cases: [host: string, Listener, taken: boolean][] = [
    ["127.0.0.1", at("127.0.0.1"), true],
    ["127.0.0.1", at("127.0.0.1", 8001), false],
    ["127.0.0.1", at("127.0.0.2"), false],
    ["127.0.0.1", at("0.0.0.0"), true],
    ["127.0.0.1", at("::"), true],
    ["127.0.0.1", at("::1"), false],
    ["", at("192.0.2.1"), true],
    ["", at("::1"), true],
    ["::", at("192.0.2.1"), true],
    ["0.0.0.0", at("127.0.0.1"), true],
    ["0.0.0.0", at("::1"), false],
    ["::1", at("0.0.0.0"), false],
    ["::1", at("::1"), true],
    ["localhost", at("127.0.0.1"), true],
    ["box.example", at("127.0.0.1"), false],
    ["box.example", at("0.0.0.0"), true],
  ];
  for (const [host, listener, taken] of cases) {
    const found = takenBy(host, 8000, [at("192.0.2.9", 1), listener]);
    assert.equal(found === listener, taken, `${host} beside ${listener.host}`);
  }
});
