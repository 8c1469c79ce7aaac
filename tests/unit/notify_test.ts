import assert from "node:assert/strict";
import {
  encodeMessage,
  isReady,
  socketAddress,
  statusText,
  stoppingMessage,
  type Told,
  watchdogMs,
} from "../../mod/notify.ts";

const told = (more: Partial<Told>): Told => ({
  ...{ phase: "waiting", text: "waiting for UUID=x: no such device", source: "UUID=x" },
  failure: null,
  ...more,
});
const failure = { text: "Cannot mount" };
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

Deno.test("statusText() says what is done, and what failed last unless that is over", () => {
  const cases: [Partial<Told>, string][] = [
    [{}, "waiting for UUID=x: no such device"],
    [{ phase: "starting", text: "starting" }, "waiting for UUID=x"],
    [{ phase: "starting", text: "starting", source: null }, "starting"],
    [{ failure }, "waiting for UUID=x: no such device; last failure: Cannot mount"],
    [{ text: "Cannot mount; waiting", failure }, "Cannot mount; waiting"],
    [{ phase: "serving", text: "serving", failure }, "serving"],
    [{ phase: "stopping", text: "stopping rest-server", failure }, "stopping rest-server"],
  ];
  for (const [state, expected] of cases) assert.equal(statusText(told(state)), expected);
});

Deno.test("isReady() does not wait for a disk, but does not call ready what ends before it has begun", () => {
  const cases: [Partial<Told>, boolean][] = [
    [{ phase: "starting" }, true],
    [{ phase: "waiting" }, true],
    [{ phase: "mounting", failure }, true],
    [{ phase: "serving" }, true],
    [{ phase: "starting", failure }, false],
  ];
  for (const [state, expected] of cases) assert.equal(isReady(told(state)), expected);
});

Deno.test("encodeMessage() gives one assignment a line, whatever the values hold", () => {
  const cases: [Record<string, string>, string][] = [
    [{ READY: "1", STATUS: "serving" }, "READY=1\nSTATUS=serving\n"],
    [{ STATUS: "one\ntwo\r\n\tthree\x00\x1b[31m\u0085" }, "STATUS=one two three [31m\n"],
    [{ STATUS: "LABEL=größe 🦕" }, "STATUS=LABEL=größe 🦕\n"],
    // Half of a character that takes two in JavaScript: systemd takes UTF-8 alone.
    [{ STATUS: "x\ud83dy" }, "STATUS=x\ufffdy\n"],
    [{}, ""],
  ];
  for (const [assignments, expected] of cases) {
    assert.equal(textOf(encodeMessage(assignments)), expected);
  }
});

Deno.test("encodeMessage() stays below what systemd takes, and cuts between two characters", () => {
  for (
    const text of ["x".repeat(5000), "ö".repeat(5000), "🦕".repeat(5000), `x${"🦕".repeat(5000)}`]
  ) {
    const bytes = encodeMessage({ READY: "1", STATUS: text });
    assert.ok(bytes.length > 1900 && bytes.length < 4096, String(bytes.length));
    assert.ok(text.startsWith(textOf(bytes).slice("READY=1\nSTATUS=".length, -1)));
  }
});

Deno.test("stoppingMessage() asks for MNT_STOP and the time of an unmount, in microseconds", () => {
  assert.deepEqual(stoppingMessage(600_000), { STOPPING: "1", EXTEND_TIMEOUT_USEC: "660000000" });
});

Deno.test("watchdogMs() is half of what the manager allows this process", () => {
  const cases: [Record<string, string>, number | null][] = [
    [{}, null],
    [{ WATCHDOG_USEC: "180000000" }, 90_000],
    [{ WATCHDOG_USEC: "180000000", WATCHDOG_PID: "7" }, 90_000],
    [{ WATCHDOG_USEC: "180000000", WATCHDOG_PID: "8" }, null],
    [{ WATCHDOG_USEC: "180000000", WATCHDOG_PID: "" }, null],
    [{ WATCHDOG_USEC: "1" }, 1],
    [{ WATCHDOG_USEC: "0" }, null],
    [{ WATCHDOG_USEC: "-1" }, null],
    [{ WATCHDOG_USEC: "1e9" }, null],
    [{ WATCHDOG_USEC: "" }, null],
  ];
  for (const [environment, expected] of cases) {
    assert.equal(watchdogMs(environment, 7), expected, JSON.stringify(environment));
  }
});

Deno.test("socketAddress() makes the address of a path, and of an abstract name", () => {
  const bytes = (text: string) => [1, 0, ...new TextEncoder().encode(text)];
  assert.deepEqual([...socketAddress("/run/systemd/notify")], bytes("/run/systemd/notify\0"));
  assert.deepEqual([...socketAddress("@a/b")], bytes("\0a/b"));
  assert.equal(socketAddress(`/${"x".repeat(106)}`).length, 110);
  assert.equal(socketAddress(`@${"x".repeat(107)}`).length, 110);
});

Deno.test("socketAddress() takes nothing else", () => {
  const bad = ["", "@", "/", "run/notify", "vsock:2:1234", "/a\0b", `/${"x".repeat(107)}`];
  bad.push(`@${"x".repeat(108)}`);
  for (const name of bad) assert.throws(() => socketAddress(name), RangeError, name);
});
