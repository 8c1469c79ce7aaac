/** `check`: everything short of mounting and starting, with a fake rest-server and a fake blkid. */
import assert from "node:assert/strict";
import schema from "../../dist/schema/check.schema.json" with { type: "json" };
import type { Finding, ShownDevice, ShownMount } from "../../mod/findings.ts";
import { fakePlace, type Place, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { testWith } from "../support/needs.ts";
import { schemaFaults } from "../support/schema.ts";
import { until } from "../support/wait.ts";
import type { Wrapper, WrapperOptions } from "../support/wrapper.ts";

interface Answer {
  readonly verdict: string;
  readonly exit_code: number;
  readonly settings: readonly {
    name: string;
    value: string;
    origin: string;
    file: string | null;
  }[];
  readonly arguments: readonly { value: string; origin: string; file: string | null }[];
  readonly devices: readonly ShownDevice[];
  readonly mount: ShownMount | null;
  readonly findings: readonly Finding[];
}

/** A rest-server that says a version, and would note that it was started for anything else. */
function versionServer(place: Place): Promise<string> {
  return place.script(
    "server",
    '[ "$*" = --version ] || : >"$FAKE_DIR/args"',
    "echo rest-server version rest-server 9.9",
  );
}

/** A blkid that prints these lines. */
function fakeBlkid(place: Place, ...lines: string[]): Promise<string> {
  return place.script("blkid", ...lines.map((line) => `echo '${line}'`));
}

async function start(place: Place, options: Partial<WrapperOptions>): Promise<Wrapper> {
  const MNT_SERVER = await versionServer(place);
  return place.start({ ...options, env: { MNT_SERVER, ...options.env } });
}

/** Runs `check --json`; its output is held against the schema. */
async function ask(place: Place, options: Partial<WrapperOptions>): Promise<Answer> {
  const args = ["check", "--json", ...options.args ?? []];
  await using wrapper = await start(place, { ...options, args });
  const code = await wrapper.code();
  const text = wrapper.outLines.join("\n");
  // deno-lint-ignore no-control-regex -- none of them may get to a terminal
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  const answer: Answer = JSON.parse(text);
  assert.deepEqual(schemaFaults(schema, answer), []);
  assert.equal(answer.exit_code, code, wrapper.errLines.join("\n"));
  assert.equal(await place.started(), false, "rest-server was started");
  return answer;
}

/** Texts of the findings of a level, each with its name and its cure. */
function said({ findings }: Answer, level: string): string[] {
  return findings.filter((finding) => finding.level === level)
    .map(({ area, name, text, cure }) => `${area} ${name}: ${text} -> ${cure}`);
}

const LOCAL = ["--no-auth", "--append-only", "--listen", "127.0.0.1:0"];

testWithMount("check: a good configuration is fine: 0, with the mount it amounts to", async () => {
  await using place = await fakePlace();
  const { prefix, env, target } = tmpfsOn(place);
  await Deno.mkdir(target);
  const args = ["--path", `${target}/restic`, ...LOCAL];
  const answer = await ask(place, { prefix, env: { ...env, MNT_SANDBOX: "on" }, args });
  assert.deepEqual(said(answer, "error"), []);
  assert.equal(answer.verdict, "fine");
  assert.deepEqual(answer.mount, {
    source: "tmpfs",
    target,
    fstype: "tmpfs",
    options: "rw,nosuid,nodev,noexec,relatime",
    command: `mount -t tmpfs -o rw,nosuid,nodev,noexec,relatime tmpfs ${target}`,
  });
  assert.match(said(answer, "ok").join("\n"), /server program: ".*\/server" is rest-server 9\.9/);
});

Deno.test("check: nothing is changed: no target, no lock, no run directory, no dead socket removed", async () => {
  await using place = await fakePlace();
  const { env, target } = tmpfsOn(place);
  const socket = `${place.path}/socket`;
  Deno.listen({ transport: "unix", path: `${place.path}/alive` }).close();
  const listener = Deno.listen({ transport: "unix", path: `${place.path}/alive` });
  await Deno.rename(`${place.path}/alive`, socket);
  listener.close();
  await versionServer(place);
  const list = () => [...Deno.readDirSync(place.path)].map(({ name }) => name).toSorted();
  const before = [list(), Deno.readTextFileSync("/proc/self/mountinfo")];
  const args = ["--path", `${target}/restic`, "--no-auth", "--listen", `unix:${socket}`];
  const answer = await ask(place, { env, args });
  assert.match(said(answer, "ok").join("\n"), /is a socket that nobody listens on/);
  assert.deepEqual([list(), Deno.readTextFileSync("/proc/self/mountinfo")], before);
});

Deno.test("check: a label that drives a terminal is told as it is, and drives none", async () => {
  await using place = await fakePlace();
  const label = "\x9b31m\x7f\u202e";
  const MNT_BLKID = await fakeBlkid(place, `/dev/sdx1: LABEL="${label}" TYPE="ext4"`);
  const env = { MNT_BLKID, MNT_SOURCE: "LABEL=other", MNT_TARGET: `${place.path}/mnt` };
  const answer = await ask(place, { env, args: ["--path", `${place.path}/mnt/restic`] });
  assert.ok(
    answer.devices.some(({ tags }) => tags["LABEL"] === label),
    JSON.stringify(answer.devices),
  );
});

Deno.test("check: a password in a variable that nobody knows is not shown", async () => {
  await using place = await fakePlace();
  const answer = await ask(place, { env: { MNT_PASSWORD: "top secret" } });
  assert.doesNotMatch(JSON.stringify(answer), /top|secret/);
});

Deno.test("check: every fault of the configuration is a finding, and the rest is looked at all the same: 78", async () => {
  await using place = await fakePlace();
  const MNT_BLKID = await fakeBlkid(place, '/dev/sdx1: LABEL="x" TYPE="ext4"');
  const env = {
    MNT_BLKID,
    MNT_SOURCE: "UIDD=x",
    MNT_TARGET: "relative",
    MNT_WAIT: "soon",
    MNT_CHECK: "maybe",
    MNT_SORCE: "x",
    MNT_CONFIG_DIR: `${place.path}/none`,
  };
  const answer = await ask(place, { env, args: LOCAL });
  assert.equal(answer.exit_code, 78);
  const errors = said(answer, "error").join("\n");
  for (const name of ["MNT_SOURCE", "MNT_TARGET", "MNT_WAIT", "MNT_CHECK", "MNT_CONFIG_DIR"]) {
    assert.match(errors, new RegExp(`^configuration variables: Cannot use ${name}=`, "m"));
  }
  assert.match(errors, /--path is not given/);
  assert.match(said(answer, "warning").join("\n"), /Unknown variable MNT_SORCE.*MNT_SOURCE/);
  assert.match(said(answer, "note").join("\n"), /blkid sees "\/dev\/sdx1" \(ext4, LABEL=x\)/);
});

Deno.test("check: says where each value and each argument comes from, and hides passwords", async () => {
  await using place = await fakePlace();
  await Deno.mkdir(`${place.path}/env/restic-rest-server`, { recursive: true });
  await Deno.mkdir(`${place.path}/flags/restic-rest-server`, { recursive: true });
  const file = `${place.path}/env/restic-rest-server/env.txt`;
  const flags = `${place.path}/flags/restic-rest-server/flags.txt`;
  await Deno.writeTextFile(file, "MNT_STOP=5\nMNT_WAIT=7\nMNT_DATA=user=me,password=geheim\n");
  await Deno.writeTextFile(flags, `--path\n${place.path}/mnt\n`);
  const env = {
    MNT_CONFIG_DIR: place.path,
    MNT_WAIT: "9",
    MNT_WATCH: "",
    MNT_SOURCE: "//me:geheim@server/share",
    MNT_FSTYPE: "cifs",
    MNT_TARGET: `${place.path}/mnt`,
  };
  const answer = await ask(place, { env, args: LOCAL });
  const from = (name: string) => {
    const { value, origin, file } = answer.settings.find((setting) => setting.name === name)!;
    return [value, origin, file];
  };
  assert.deepEqual(from("MNT_STOP"), ["5", "file", file]);
  assert.deepEqual(from("MNT_WAIT"), ["9", "environment", null]);
  assert.deepEqual(from("MNT_WATCH"), ["2", "default", null]);
  assert.deepEqual(from("MNT_DATA"), ["user=me,password=***", "file", file]);
  assert.deepEqual(answer.arguments.map(({ value, file }) => [value, file]), [
    ["--path", flags],
    [`${place.path}/mnt`, flags],
    ...LOCAL.map((value) => [value, null]),
  ]);
  assert.match(answer.mount!.command, /password=\*\*\*/);
  assert.doesNotMatch(JSON.stringify(answer), /geheim/);
});

/** What the source looks like beside these lines of blkid. */
const SOURCES: [source: string, lines: string[], code: number, level: string, says: RegExp][] = [
  ["UUID=ab-1", [], 69, "error", /UUID=ab-1 is not there: no device has it/],
  ["UUID=ab-1", ['/dev/x: UUID_SUB="AB-1"'], 69, "warning", /it is the UUID_SUB of "\/dev\/x"/],
  ["UUID=ab-1", ['/dev/x: PARTUUID="ab-1"'], 69, "warning", /it is the PARTUUID of "\/dev\/x"/],
  ["LABEL=restic", ['/dev/x: LABEL="Restic"'], 69, "warning", /LABEL=Restic, with other capitals/],
  ["LABEL=a b", ['/dev/x: LABEL="a  b"'], 69, "warning", /with other spaces or dashes/],
  [
    "LABEL=two",
    ['/dev/x: LABEL="two" TYPE="ext4"', '/dev/y: LABEL="two" TYPE="ext4"'],
    69,
    "error",
    /ambiguous, several devices carry it: "\/dev\/x", "\/dev\/y" -> unplug all but one.*; blkid sees "\/dev\/x" \(ext4, LABEL=two\), "\/dev\/y" /,
  ],
  ["LABEL=luks", ['/dev/x: LABEL="luks" TYPE="crypto_LUKS"'], 78, "error", /LUKS.*cryptsetup/],
  ["/dev/null", [], 78, "error", /"\/dev\/null": it is a special file, not a block device/],
  ["/dev/disk/by-uuid/1-2", [], 69, "error", /is not there.*set MNT_SOURCE=UUID=1-2: without udev/],
];
for (const [source, lines, code, level, says] of SOURCES) {
  Deno.test(`check: ${source} beside ${lines.join(" ") || "nothing"}: ${code}`, async () => {
    await using place = await fakePlace();
    const MNT_BLKID = await fakeBlkid(place, ...lines);
    const target = `${place.path}/mnt`;
    const env = { MNT_BLKID, MNT_SOURCE: source, MNT_TARGET: target };
    const answer = await ask(place, { env, args: ["--path", target, ...LOCAL] });
    // Who may not mount has one fault more.
    if (Deno.uid() === 0) assert.equal(answer.exit_code, code, said(answer, "error").join("\n"));
    assert.match(said(answer, level).join("\n"), says);
  });
}

Deno.test("check: a blkid that is missing, and one that fails", async () => {
  await using place = await fakePlace();
  const target = `${place.path}/mnt`;
  const env = { MNT_SOURCE: "UUID=a", MNT_TARGET: target };
  const args = ["--path", target, ...LOCAL];
  const missing = await ask(place, { env: { ...env, MNT_BLKID: "/nonexistent" }, args });
  assert.equal(missing.exit_code, 78);
  assert.match(said(missing, "error").join("\n"), /Cannot find blkid: tried "\/nonexistent"/);
  const MNT_BLKID = await place.script("blkid", "echo broken >&2", "exit 1");
  const failing = await ask(place, { env: { ...env, MNT_BLKID }, args });
  assert.match(said(failing, "error").join("\n"), /blkid failed with exit 1: broken/);
});

Deno.test("check: a port that is in use names the program that has it: 78", async () => {
  await using place = await fakePlace();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const listen = `127.0.0.1:${taken.addr.port}`;
  const answer = await ask(place, { args: ["--no-auth", "--listen", listen] });
  assert.equal(answer.exit_code, 78);
  const says = new RegExp(
    `Cannot listen on "${listen}": it is in use by \\S+ \\(process ${Deno.pid}\\)`,
  );
  assert.match(said(answer, "error").join("\n"), says);
});

Deno.test("check: a unix socket that somebody listens on is named without a word to it: 78", async () => {
  await using place = await fakePlace();
  const path = `${place.path}/socket`;
  using taken = Deno.listen({ transport: "unix", path });
  const answer = await ask(place, { args: ["--no-auth", "--listen", `unix:${path}`] });
  assert.equal(answer.exit_code, 78);
  assert.match(
    said(answer, "error").join("\n"),
    new RegExp(`in use by \\S+ \\(process ${Deno.pid}\\)`),
  );
  taken.close();
});

Deno.test("check: password and TLS files that cannot be read: 78, each named with its cure", async () => {
  await using place = await fakePlace();
  const args = ["--path", place.path, "--listen", "127.0.0.1:0", "--tls", "--tls-cert", "cert"];
  await Deno.writeTextFile(`${place.path}/cert`, "x");
  const answer = await ask(place, { args, cwd: place.path });
  assert.equal(answer.exit_code, 78);
  const errors = said(answer, "error").join("\n");
  assert.match(
    errors,
    /password file ".*\/\.htpasswd": it is not there -> make it with: mkdir -p ".*" && htpasswd/,
  );
  assert.match(errors, /TLS key ".*\/private_key": it is not there -> give --tls-key/);
  assert.match(said(answer, "ok").join("\n"), /TLS certificate ".*\/cert" can be read/);
});

Deno.test("check: a rest-server that does not answer is not waited for long", async () => {
  await using place = await fakePlace();
  const MNT_SERVER = await place.script("hanging", "exec sleep 60");
  const answer = await ask(place, { env: { MNT_SERVER }, args: LOCAL });
  assert.match(said(answer, "warning").join("\n"), /--version did not answer within 5 s/);
});

Deno.test("check: SIGTERM ends it while a program hangs: 143", async () => {
  await using place = await fakePlace();
  const MNT_SERVER = await place.script("hanging", ': >"$FAKE_DIR/args"', "exec sleep 60");
  await using wrapper = place.start({ args: ["check", ...LOCAL], env: { MNT_SERVER } });
  await until(() => place.started(), "rest-server is asked for its version");
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 143);
  assert.deepEqual(wrapper.outLines, []);
});

Deno.test("check: text is aligned, plain in a pipe, and ends with the verdict", async () => {
  await using place = await fakePlace();
  await using wrapper = await start(place, { args: ["check", ...LOCAL] });
  assert.equal(await wrapper.code(), 0);
  const text = wrapper.outLines.join("\n");
  assert.doesNotMatch(text, /[^ -~\n]|undefined|\[object/);
  assert.match(text, /^Configuration\n {2}MNT_SOURCE {6}- +default$/m);
  assert.match(text, /^rest-server\n {2}ok {7}program /m);
  assert.match(text, /^fine: nothing must be changed \(0 errors, \d+ warnings\)$/m);
  assert.deepEqual(wrapper.errLines, []);
});

for (const noColor of [false, true]) {
  await testWith(
    ["program:script"],
    `check: ${noColor ? "NO_COLOR has no" : "a terminal gets"} colours`,
    async () => {
      await using place = await fakePlace();
      await using wrapper = await start(place, {
        // script(1) gives it a terminal; the command line comes as its arguments.
        prefix: ["sh", "-c", `exec script -qec "$(printf "'%s' " "$@")" /dev/null`, "sh"],
        args: ["check", ...LOCAL],
        env: { TERM: "xterm", NO_COLOR: noColor ? "1" : "" },
      });
      assert.equal(await wrapper.code(), 0, wrapper.outLines.join("\n"));
      const text = wrapper.outLines.join("\n");
      assert.match(text, /variables/);
      assert.equal(text.includes("\x1b["), !noColor);
    },
  );
}

Deno.test("check into a full disk: 1, and a line that says so", async () => {
  await using place = await fakePlace();
  const prefix = ["/bin/sh", "-c", 'exec "$@" >/dev/full', "sh"];
  await using wrapper = await start(place, { args: ["check", ...LOCAL], prefix });
  assert.equal(await wrapper.code(), 1);
  assert.match(wrapper.errLines.join("\n"), /error: Cannot write to stdout/);
});

Deno.test("MNT_CHECK=1: the same goes to the log, and nothing is served", async () => {
  await using place = await fakePlace();
  await using wrapper = await start(place, { args: LOCAL, env: { MNT_CHECK: "1" } });
  assert.equal(await wrapper.code(), 0);
  assert.deepEqual(wrapper.outLines, []);
  const log = wrapper.errLines.join("\n");
  assert.match(log, /restic-rest-server: MNT_CHECK=1 \(environment\)$/m);
  assert.match(log, /restic-rest-server: server: program: ".*" is rest-server 9\.9$/m);
  assert.match(log, /restic-rest-server: fine: nothing must be changed/);
  assert.equal(await place.started(), false);
});

Deno.test("MNT_CHECK=1 of a file, as JSON, with faults: the verb's code", async () => {
  await using place = await fakePlace();
  await Deno.mkdir(`${place.path}/env/restic-rest-server`, { recursive: true });
  const file = `${place.path}/env/restic-rest-server/env.txt`;
  await Deno.writeTextFile(file, "MNT_CHECK=1\nMNT_LOG=json\nMNT_WAIT=soon\n");
  await using wrapper = await start(place, { args: LOCAL, env: { MNT_CONFIG_DIR: place.path } });
  assert.equal(await wrapper.code(), 78);
  const lines = wrapper.errLines.map((line) => JSON.parse(line));
  assert.ok(lines.every(({ event }) => event === "check"));
  const fault = lines.find(({ level }) => level === "error");
  assert.match(fault.message, /^configuration: variables: Cannot use MNT_WAIT="soon"/);
  assert.equal(await place.started(), false);
});

/** Makes `$0` a root directory that looks like gokrazy's, with all of this machine in it, and runs the rest there. */
const ON_GOKRAZY = `set -e
mount -t tmpfs tmpfs "$0"
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$0$entry"
  elif [ -d "$entry" ]; then mkdir "$0$entry"; mount --rbind "$entry" "$0$entry"
  fi
done
mkdir "$0/gokrazy"
: >"$0/gokrazy/init"
PATH="$PATH:/usr/sbin:/sbin" exec chroot "$0" "$@"`;

testWithMount(
  "on gokrazy MNT_CHECK=1 ends supervision by 125, and the verb has its own codes",
  async () => {
    await using place = await fakePlace();
    await Deno.mkdir(`${place.path}/root`);
    const [unshare, ...flags] = tmpfsOn(place).prefix;
    const prefix = [unshare!, ...flags, "sh", "-c", ON_GOKRAZY, `${place.path}/root`];
    {
      await using wrapper = await start(place, { prefix, args: LOCAL, env: { MNT_CHECK: "1" } });
      assert.equal(await wrapper.code(), 125, wrapper.errLines.join("\n"));
      assert.match(
        wrapper.errLines.join("\n"),
        /restic-rest-server: fine: nothing must be changed/,
      );
    }
    const answer = await ask(place, { prefix, args: LOCAL });
    assert.equal(answer.exit_code, 0);
    assert.match(said(answer, "warning").join("\n"), /\/tmp\/restic \(memory/);
  },
);
