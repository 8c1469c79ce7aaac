import assert from "node:assert/strict";
import { mergeSettings, parseConfig } from "../../mod/config.ts";
import { Failure } from "../../mod/exit.ts";
import {
  type LaunchPlan,
  parseLaunchSocket,
  parsePlan,
  parseReport,
  planLaunch,
} from "../../mod/launch.ts";
import { ownerData } from "../../mod/mount_spec.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { filesOf, worldOf } from "./fake_parts.ts";

const PLAN: LaunchPlan = {
  program: "/usr/bin/rest-server",
  parent: 42,
  directory: "/work",
  user: null,
  lowPort: false,
  needs: [],
  writes: [],
  sandbox: { socketDirectory: null, port: 8000 },
};

Deno.test("parsePlan() reads what the wrapper wrote", () => {
  const user = { uid: 1, gid: 2 };
  for (const plan of [PLAN, { ...PLAN, program: 'a "b"\n', user, sandbox: null }]) {
    assert.deepEqual(parsePlan(JSON.stringify(plan)), plan);
  }
});

/** What is said of a variable that a user has set. */
const isMisuse = (error: unknown) =>
  error instanceof Failure && error.kind === "configuration" &&
  /^Cannot use RESTIC_REST_SERVER_LAUNCH: [^\n]*; unset it$/.test(error.message);

Deno.test("parsePlan() takes nothing that this program has not made", () => {
  const whole: Record<string, unknown> = { ...PLAN };
  const { lowPort: _, ...needed } = whole;
  const without = Object.keys(needed).map((name) =>
    JSON.stringify({ ...whole, [name]: undefined })
  );
  for (const text of ["", "1", "yes", "null", "[]", "{}", "{", '"x"', "\0", ...without]) {
    assert.throws(() => parsePlan(text), isMisuse, text);
  }
});

Deno.test("parseLaunchSocket() takes a descriptor, and nothing else that a user could set", () => {
  assert.equal(parseLaunchSocket("12"), 12);
  for (const text of ["", "-1", "1 ", "x", "{}", "1e3", "99999999999"]) {
    assert.throws(() => parseLaunchSocket(text), isMisuse, text);
  }
});

Deno.test("parseReport() puts the launcher's lines together", () => {
  const nothing = { warnings: [], failure: null, executed: false };
  const failure = { kind: "configuration", message: 'Cannot write to "a\nb"' };
  const line = (said: unknown) => `${JSON.stringify(said)}\n`;
  const cases: [string, ReturnType<typeof parseReport>][] = [
    ["", nothing],
    [line({ executed: true }), { ...nothing, executed: true }],
    [line({ warning: "a" }) + line({ warning: "b\n" }) + line({ executed: true }), {
      warnings: ["a", "b\n"],
      failure: null,
      executed: true,
    }],
    // execve(2) failed.
    [line({ executed: true }) + line({ failure }), {
      warnings: [],
      failure: failure as never,
      executed: true,
    }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseReport(text), expected, text);
});

Deno.test("parseReport() leaves out a line that was cut short, and what is none", () => {
  const whole = '{"warning":"a"}\n{"executed":true}\n';
  for (let end = 0; end < whole.length; end++) {
    const { executed, warnings } = parseReport(whole.slice(0, end));
    assert.equal(executed, false, `${end}`);
    assert.deepEqual(warnings, end < 16 ? [] : ["a"]);
  }
  const garbage = [
    "\n\n",
    "null\n",
    "1\n",
    "[]\n",
    '"executed"\n',
    "thread panicked\n",
    "\0\xff\n",
    "{}\n",
  ];
  for (const text of garbage) {
    assert.deepEqual(parseReport(text), { warnings: [], failure: null, executed: false }, text);
    assert.equal(parseReport(`${text}{"executed":true}\n`).executed, true, text);
  }
});

const MOUNT = { MNT_SOURCE: "/dev/sda1", MNT_TARGET: "/mnt/x" };

/** The plan of a launch with these arguments; nothing below the target is there yet. */
async function planOf(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  path: string | null = "/mnt/x/restic",
): Promise<LaunchPlan> {
  const settings = mergeSettings(path === null ? variables : { ...MOUNT, ...variables });
  const server = parseServerArgs(path === null ? args : ["--path", path, ...args]);
  const config = parseConfig(settings, server, "/work");
  const world = worldOf({ pid: 42, files: filesOf({ "/mnt/x": "" }) });
  return await planLaunch("/usr/bin/rest-server", config, server, path, "/work", world);
}

Deno.test("planLaunch() makes a sandbox for a mount, with the files that flags name", async () => {
  assert.deepEqual(await planOf([]), PLAN);
  assert.deepEqual(await planOf(["--log", "a/../log", "--cpu-profile=/tmp/p", "--listen", ":0"]), {
    ...PLAN,
    writes: [
      { flag: "--log", path: "/work/log" },
      { flag: "--cpu-profile", path: "/tmp/p" },
    ],
    sandbox: { socketDirectory: null, port: 0 },
  });
  // Standard output.
  assert.deepEqual(await planOf(["--log", "-"]), PLAN);
});

Deno.test("planLaunch() makes no sandbox without a mount, and none where it is switched off", async () => {
  const none = { ...PLAN, sandbox: null };
  assert.deepEqual(await planOf(["--log", "x"], { MNT_SANDBOX: "off" }), none);
  assert.deepEqual(await planOf(["--log", "x"], {}, null), none);
});

Deno.test("planLaunch() lets the user of MNT_USER bind a port below 1024, and nobody without need", async () => {
  const user = { uid: 1000, gid: 100 };
  const low = async (address: string, variables = {}) =>
    (await planOf(["--listen", address], variables, null)).lowPort;
  for (
    const [address, expected] of [
      [":80", true],
      ["[::]:1023", true],
      [":1024", false],
      [":0", false],
      ["unix:/x", false],
    ] as const
  ) {
    assert.equal(await low(address, { MNT_USER: "1000:100" }), expected, address);
    assert.equal(await low(address), false, address);
  }
  assert.deepEqual(await planOf([], { MNT_USER: "1000:100" }, null), {
    ...PLAN,
    user,
    sandbox: null,
  });
});

Deno.test("planLaunch() names what the user of MNT_USER must be able to use, with the cure", async () => {
  const tls = ["--tls", "--tls-key=key"];
  const { needs } = await planOf(tls, { MNT_USER: "1000:100" });
  assert.deepEqual(
    needs.map(({ path, access, cannot }) => [path, access, cannot]),
    [
      ["/mnt/x", "write", 'Cannot write to "/mnt/x" as MNT_USER=1000:100'],
      [
        "/mnt/x/restic/.htpasswd",
        "read",
        'Cannot read the password file "/mnt/x/restic/.htpasswd" as MNT_USER=1000:100',
      ],
      [
        "/mnt/x/restic/public_key",
        "read",
        'Cannot read the TLS certificate "/mnt/x/restic/public_key" as MNT_USER=1000:100',
      ],
      ["/work/key", "read", 'Cannot read the TLS key "/work/key" as MNT_USER=1000:100'],
    ],
  );
  assert.match(needs[0]!.cure, /chown -R 1000:100 "\/mnt\/x"$/);
  const { needs: fewer } = await planOf(["--no-auth"], { MNT_USER: "1000:100" });
  assert.deepEqual(fewer.map(({ path }) => path), ["/mnt/x"]);
});

Deno.test("ownerData() gives a file system without owners to the user, less what MNT_DATA says", () => {
  const user = { uid: 1000, gid: 100 };
  const all = ["uid=1000", "gid=100", "umask=0077"];
  const cases: [fstype: string, given: string, expected: string[]][] = [
    ["exfat", "", all],
    ["vfat", "", all],
    ["vfat", "codepage=437,iocharset=utf8", all],
    ["exfat", "uid=0", ["gid=100", "umask=0077"]],
    ["exfat", "gid=5,umask=022", ["uid=1000"]],
    ["vfat", "fmask=0177", ["uid=1000", "gid=100"]],
    ["vfat", "dmask=0077,uid=1,gid=2", []],
    // Only whole names count.
    ["vfat", "xuid=1,setuid=2", all],
    ["ext4", "", []],
    ["btrfs", "", []],
    ["ntfs3", "", []],
  ];
  for (const [fstype, given, expected] of cases) {
    assert.deepEqual(ownerData(fstype, user, given), expected, `${fstype} ${given}`);
    assert.deepEqual(ownerData(fstype, null, given), []);
  }
});
