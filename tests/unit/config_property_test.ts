/** Options, arguments, settings and the smaller parsers: any text, and what must hold of the result. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { posix } from "node:path";
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { parseFlagsFile } from "../../mod/config_directory.ts";
import { cleanEnvironment } from "../../mod/environment.ts";
import { kernelMessages, parseKernelRecord } from "../../mod/kmsg.ts";
import { lockName, parseLockRecord } from "../../mod/lock.ts";
import { formatJson, formatText } from "../../mod/log_form.ts";
import {
  formatFlags,
  MOUNT_OPTIONS,
  parseMountOptions,
  splitOptions,
} from "../../mod/mount_options.ts";
import { parseStartTime } from "../../mod/processes.ts";
import { parseServerArgs, resolvePath, SERVER_FLAGS } from "../../mod/server_args.ts";
import { CONFIG } from "../../mod/variables.ts";
import { RUNS, tolerate } from "./fixture.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(..."\"',=\\/.# \n-:é0a".split("")) }),
);
const nameOf = ({ name }: { name: string }) => name;
const usable = MOUNT_OPTIONS.filter(({ refused }) => refused === undefined);

Deno.test("parseMountOptions() throws nothing but its RangeError", () => {
  const word = fc.constantFrom(...MOUNT_OPTIONS.map(nameOf));
  const list = fc.array(fc.oneof(word, text), { maxLength: 6 }).map((items) => items.join(","));
  fc.assert(
    fc.property(fc.oneof(text, list), (options) => {
      const parsed = tolerate(RangeError, () => parseMountOptions(options));
      if (parsed === undefined) return;
      assert.ok(Number.isInteger(parsed.flags) && parsed.flags >= 0);
      // No word of user space reaches the kernel, however the list is written.
      for (const item of splitOptions(parsed.data)) {
        assert.ok(!MOUNT_OPTIONS.some(({ name }) => name === item.split("=")[0]!), item);
      }
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseMountOptions() sets the bits that mount(8) would set one after the other", () => {
  const row = fc.constantFrom(...usable);
  const own = fc.stringMatching(/^fs_[a-z]{1,6}(=[a-z0-9./-]{0,6})?$/);
  fc.assert(
    fc.property(fc.array(fc.oneof(row, own), { maxLength: 12 }), (items) => {
      let flags = 0;
      const data: string[] = [];
      for (const item of items) {
        if (typeof item === "string") data.push(item);
        else if (item.flag !== undefined) {
          for (let bit = 1; bit < 2 ** 26; bit *= 2) {
            if (!(item.flag & bit)) continue;
            if (item.inverted) flags &= ~bit;
            else flags |= bit;
          }
        }
      }
      const list = items.map((item) => typeof item === "string" ? item : item.name).join(",");
      assert.deepEqual(parseMountOptions(list), { flags, data: data.join(",") });
    }),
    { numRuns: RUNS },
  );
});

Deno.test("flags are read back from the words that formatFlags() writes", () => {
  const bits = usable.flatMap(({ flag, inverted }) =>
    flag !== undefined && !inverted ? [flag] : []
  );
  fc.assert(
    fc.property(fc.subarray(bits), (chosen) => {
      const flags = chosen.reduce((all, flag) => all | flag, 0);
      assert.deepEqual(parseMountOptions(formatFlags(flags)), { flags, data: "" });
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseServerArgs() never throws, and finds the --path that pflag would", () => {
  const switches = Object.entries(SERVER_FLAGS).filter(([, { value }]) => !value);
  const valued = Object.entries(SERVER_FLAGS).filter(([, { value }]) => value);
  const value = fc.oneof(text, fc.constantFrom("--path", "--", "/a"));
  const part = fc.oneof(
    fc.constantFrom(...switches).map(([name]) => ({ name, args: [`--${name}`], value: "" })),
    fc.tuple(fc.constantFrom(...valued), value, fc.boolean()).map(([[name], value, joined]) => ({
      name,
      args: joined ? [`--${name}=${value}`] : [`--${name}`, value],
      value,
    })),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(text), (parts, rest) => {
      const args = [...parts.flatMap(({ args }) => args), "--", ...rest];
      const last = parts.findLast(({ name }) => name === "path")?.value;
      assert.equal(parseServerArgs(args).path, last || undefined);
      parseServerArgs(rest);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("resolvePath() resolves as node:path does", () => {
  const path = fc.string({ unit: fc.constantFrom("/", ".", "..", "a", " ", "é"), maxLength: 12 });
  fc.assert(
    fc.property(path, path, (path, directory) => {
      assert.equal(resolvePath(path, `/${directory}`), posix.resolve(`/${directory}`, path));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseConfig() throws nothing but its ConfigError, and P1 holds of what it gives", () => {
  const names = fc.oneof(
    fc.constantFrom(...Object.keys(CONFIG)),
    fc.constantFrom("MNT_SOURCE", "MNT_TARGET"),
    text.map((suffix) => `MNT_${suffix}`),
  );
  const path = fc.constantFrom("/", "/a", "/a/b", "/a/../b", "a", "/ab");
  const value = fc.oneof(
    text,
    path,
    fc.constantFrom("UUID=a", "tmpfs", "ext4", "auto", "1", "0", "on", "1:1", "json"),
  );
  const variables = fc.dictionary(names, value, { maxKeys: 6, noNullPrototype: true });
  fc.assert(
    fc.property(variables, variables, fc.option(path), (environment, file, path) => {
      const settings = mergeSettings(environment, { path: "/f", variables: file });
      const args = parseServerArgs(path === null ? [] : ["--path", path]);
      const config = tolerate(ConfigError, () => parseConfig(settings, args, "/work"));
      if (config?.mount == null) return;
      const { mount } = config;
      assert.match(mount.target, /^(\/(?!\.{0,2}(\/|$))[^/]*)+$/s);
      assert.ok(mount.path === mount.target || mount.path.startsWith(`${mount.target}/`));
      assert.ok(new TextEncoder().encode(mount.data).length <= 4095);
      assert.ok(config.stopMs >= 0 && config.watchMs >= 0 && (config.waitMs ?? 0) >= 0);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseFlagsFile() gives back each argument that a line can hold", () => {
  const arg = text.filter((arg) => arg.trim() !== "" && !/^#|[\n\0]|\r$/.test(arg));
  fc.assert(
    fc.property(fc.array(arg), fc.constantFrom("\n", "\r\n"), (args, end) => {
      assert.deepEqual(parseFlagsFile(["# comment", "", ...args, ""].join(end)), args);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("kernel records are read back, and nothing else is an error but a SyntaxError", () => {
  /** As the kernel writes it: everything that is not printable ASCII, and the backslash. */
  const escape = (message: string) =>
    Array.from(
      new TextEncoder().encode(message),
      (byte) =>
        byte < 0x20 || byte >= 0x7f || byte === 0x5c
          ? `\\x${byte.toString(16).padStart(2, "0")}`
          : String.fromCharCode(byte),
    ).join("");
  const message = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(
      fc.nat(7),
      fc.nat(),
      fc.nat(),
      message,
      text,
      (level, sequence, timeUs, ...more) => {
        const [message, garbage] = more;
        const record = `${level},${sequence},${timeUs},-;${escape(message)}\n SUBSYSTEM=block\n`;
        assert.deepEqual(parseKernelRecord(record), { level, sequence, timeUs, message });
        tolerate(SyntaxError, () => parseKernelRecord(garbage));
        assert.ok(kernelMessages([record, garbage]).length <= 2);
      },
    ),
    { numRuns: RUNS },
  );
});

Deno.test("cleanEnvironment() leaves nothing to clean", () => {
  const name = fc.oneof(text, fc.constantFrom("PATH", "MNT_A", "DENO_B"));
  const value = fc.array(fc.constantFrom("/bin", "", "/x/node_compat_bin")).map((all) =>
    all.join(":")
  );
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (environment) => {
      const { remove, path } = cleanEnvironment(environment);
      const left = Object.fromEntries(
        Object.entries(environment).filter(([name]) => !remove.includes(name)),
      );
      if (path !== undefined) left["PATH"] = path;
      assert.deepEqual(cleanEnvironment(left), { remove: [], path: undefined });
    }),
    { numRuns: RUNS },
  );
});

Deno.test("one event is one line of the log, in both forms", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 0, max: 4e12 }), (message, timeMs) => {
      const facts = { event: "waiting", why: message } as const;
      const line = { level: "error" as const, message, facts, timeMs, uptimeSeconds: 1 };
      for (const outlet of ["plain", "terminal", "colours", "journal"] as const) {
        assert.doesNotMatch(formatText(line, outlet), /[\n\r]/);
      }
      assert.doesNotMatch(formatJson(line, "plain"), /[\n\r]/);
      assert.equal(JSON.parse(formatJson(line, "plain")).message, message);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("the lock file's parsers never throw, and each target has its own name", async () => {
  fc.assert(
    fc.property(text, fc.jsonValue(), (garbage, value) => {
      parseLockRecord(garbage);
      parseLockRecord(JSON.stringify(value));
      parseStartTime(garbage);
    }),
    { numRuns: RUNS },
  );
  const path = fc.string({ unit: "grapheme", maxLength: 300 }).map((name) => `/${name}`);
  await fc.assert(
    fc.asyncProperty(path, path, async (a, b) => {
      const [nameA, nameB] = await Promise.all([lockName(a), lockName(b)]);
      assert.equal(nameA === nameB, a === b);
      assert.ok(nameA.length <= 255 && !nameA.includes("/"));
    }),
    { numRuns: RUNS / 10 },
  );
});
