/** What the units of systemd must say because of what the program does. */
import assert from "node:assert/strict";
import { V8_FLAGS } from "../../dist/tasks/compile.ts";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import { EXIT } from "../../mod/exit.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { CONFIG } from "../../mod/variables.ts";

const DIRECTORY = new URL("../../dist/systemd/", import.meta.url);
const read = (name: string) => Deno.readTextFile(new URL(name, DIRECTORY));
const plain = settingsOf(await read("restic-rest-server.service"));
const hardened = settingsOf(await read("restic-rest-server-hardened.service"));

function settingsOf(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => /^\w+=/.test(line));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.split("=").slice(1).join("=")]),
  );
}

Deno.test("the units do not start again what only a person can cure, as gokrazy does not", () => {
  const codes = Object.values(EXIT).filter(({ gokrazy }) => gokrazy === 125).map(({ host }) =>
    host
  );
  const sorted = (values: readonly unknown[]) => values.map(String).toSorted();
  const prevented = plain.get("RestartPreventExitStatus")!.split(" ");
  assert.deepEqual(sorted(prevented), sorted(codes));
});

Deno.test("TimeoutStopSec is MNT_STOP and the time of an unmount, at least", () => {
  const stop = Number(CONFIG.MNT_STOP.fallback);
  assert.ok(Number(plain.get("TimeoutStopSec")) >= stop + 60);
});

Deno.test("both units run the program in the same way", () => {
  const same = [
    ...["Type", "NotifyAccess", "EnvironmentFile", "Environment", "ExecStart", "ExecReload"],
    ...["Restart", "RestartSec", "RestartPreventExitStatus", "TimeoutStartSec", "TimeoutStopSec"],
    ...[
      "KillMode",
      "WatchdogSec",
      "RuntimeDirectory",
      "RuntimeDirectoryPreserve",
      "After",
      "WantedBy",
    ],
  ];
  for (const name of same) {
    assert.ok(plain.has(name), name);
    assert.equal(hardened.get(name), plain.get(name), name);
  }
});

// systemd.exec(5), and exec_needs_mount_namespace() in its src/core/execute.c.
const NAMESPACE = new RegExp(
  "^(Private(Tmp|Devices|Mounts|IPC)|Protect(System|Home|Kernel\\w+|ControlGroups|Proc)|ProcSubset|" +
    "ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|ExecPaths|NoExecPaths|Bind\\w*Paths|" +
    "TemporaryFileSystem|Root\\w+|MountFlags|MountImages|MountAPIVFS|ExtensionImages|LogNamespace|DynamicUser)$",
);

Deno.test("the plain unit brings no mount namespace, in which the host would not see the disk", () => {
  assert.deepEqual([...plain.keys()].filter((name) => NAMESPACE.test(name)), []);
  assert.ok([...hardened.keys()].some((name) => NAMESPACE.test(name)));
});

Deno.test("the settings are refused until the disk is named, and then are a configuration", async () => {
  const settings = settingsOf(await read("restic-rest-server.default"));
  const { ARGS, ...variables } = Object.fromEntries(settings);
  const args = parseServerArgs(ARGS!.replaceAll('"', "").split(" "));
  assert.throws(() => parseConfig(mergeSettings(variables), args, "/"), /MNT_SOURCE is not set/);
  const named = mergeSettings({ ...variables, MNT_SOURCE: "LABEL=restic" });
  assert.deepEqual(parseConfig(named, args, "/").warnings, []);
});

Deno.test("the units start Deno as a compiled program and the one on gokrazy start it", async () => {
  const shim = await Deno.readTextFile(new URL("../gokrazy/shim/main.go", DIRECTORY));
  const units = ["restic-rest-server.service", "restic-rest-server-hardened.service"];
  assert.ok(shim.includes(`"DENO_V8_FLAGS":`) && shim.includes(`"${V8_FLAGS}"`));
  for (const unit of units) {
    assert.match(await read(unit), new RegExp(`^Environment=DENO_V8_FLAGS=${V8_FLAGS}$`, "m"));
  }
});
