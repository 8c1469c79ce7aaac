/** P5: under the sandbox rest-server can do all that its flags ask for. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { SERVER_FLAGS } from "../../mod/server_args.ts";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { httpStatus } from "../support/http.ts";
import { serverPid } from "../support/processes.ts";
import { resticRoundTrip } from "../support/restic.ts";
import { type Place, place, refusalCode, systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";
import type { Wrapper } from "../support/wrapper.ts";

/** Fails unless rest-server is in the sandbox. */
async function assertSandboxed(wrapper: Wrapper): Promise<void> {
  const status = await Deno.readTextFile(`/proc/${serverPid(wrapper)}/status`);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.doesNotMatch(wrapper.errLines.join("\n"), /without a sandbox/);
}

async function stop(wrapper: Wrapper): Promise<void> {
  wrapper.signal("SIGTERM");
  assert.equal(await wrapper.code(), 0, wrapper.errLines.join("\n"));
}

async function size(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}

/** What a test of flags starts, and how a client gets there. */
interface Case {
  readonly args: (where: Place) => readonly string[];
  readonly listen?: string;
  /** Made before the start. */
  readonly prepare?: (where: Place) => Promise<void>;
  readonly url: (address: string, where: Place) => string;
  readonly restic?: readonly string[];
  /** Files outside of the mount that must have been written. */
  readonly writes?: readonly string[];
}

const CASES: Record<string, Case> = {
  "logs, a profile, metrics and limits": {
    args: ({ directory }) => [
      "--no-auth",
      ...["--log", "requests.log", "--cpu-profile", `${directory}/profile`],
      ...["--debug", "--max-size", "1000000000", "--prometheus", "--prometheus-no-auth"],
      ...["--append-only", "--no-verify-upload", "--group-accessible-repos"],
    ],
    url: (address) => `http://${address}/`,
    writes: ["requests.log", "profile"],
  },
  "TLS, passwords and private repositories": {
    args: ({ directory }) => [
      ...["--tls", "--tls-cert", "cert", "--tls-key", `${directory}/key`, "--tls-min-ver", "1.3"],
      ...["--htpasswd-file", "passwords", "--private-repos"],
    ],
    prepare: async ({ directory }) => {
      const password = createHash("sha1").update("secret").digest("base64");
      await Deno.writeTextFile(`${directory}/passwords`, `anna:{SHA}${password}\n`);
      const files = ["-keyout", `${directory}/key`, "-out", `${directory}/cert`];
      const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
      await run("openssl", "req", ...kind, ...files, "-subj", "/CN=localhost", "-batch");
    },
    url: (address) => `https://anna:secret@${address}/anna/`,
    restic: ["--insecure-tls"],
  },
  "a unix socket": {
    args: () => ["--no-auth", "--log", "-"],
    listen: "unix:socket",
    url: (_, { directory }) => `http+unix://${directory}/socket:/repository/`,
  },
};

for (
  const [what, { args, listen, prepare, url, restic = [], writes = [] }] of Object.entries(CASES)
) {
  await systemTest(
    ["program:openssl"],
    `P5: restic backs up and restores with ${what}`,
    async () => {
      await using disk = await loopDisk({ fstype: "ext4" });
      await using where = await place();
      await prepare?.(where);
      await using wrapper = where.serve({
        source: disk.path,
        // With --max-size rest-server does not make it itself.
        path: where.target,
        args: args(where),
        ...(listen === undefined ? {} : { listen }),
      });
      const address = await wrapper.listening();
      await assertSandboxed(wrapper);
      await resticRoundTrip(url(address, where), where.directory, ...restic);
      await stop(wrapper);
      for (const path of writes) assert.ok(await size(`${where.directory}/${path}`) > 0, path);
    },
  );
}

await systemTest([], "P5: users that a proxy names have their repositories", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const args = ["--proxy-auth-username", "X-User", "--private-repos"];
  await using wrapper = where.serve({ source: disk.path, args });
  const address = await wrapper.listening();
  await assertSandboxed(wrapper);
  const create = (user: string) =>
    httpStatus(`http://${address}/anna/?create=true`, {
      method: "POST",
      headers: { "X-User": user },
    });
  assert.equal(await create("anna"), 200);
  assert.equal(await create("berta"), 401);
  await stop(wrapper);
});

Deno.test("every flag of rest-server is in one of the cases above", async () => {
  const text = await Deno.readTextFile(new URL(import.meta.url));
  for (const flag of Object.keys(SERVER_FLAGS)) {
    // Those start no server; and place() gives the other two.
    if (["help", "version", "path", "listen"].includes(flag)) continue;
    assert.ok(text.includes(`"--${flag}"`), flag);
  }
});

await systemTest(
  [],
  "P5: --log goes where its symlink leads, and to devices and pipes",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await Deno.symlink("real.log", `${where.directory}/link.log`);
    for (const log of ["link.log", "/dev/null", "/dev/stdout"]) {
      await using wrapper = where.serve({ source: disk.path, args: ["--no-auth", "--log", log] });
      const address = await wrapper.listening();
      await assertSandboxed(wrapper);
      assert.equal(await httpStatus(`http://${address}/config`), 404);
      if (log === "/dev/stdout") await wrapper.outLine(/"GET \/config HTTP\/1.1" 404/);
      await stop(wrapper);
    }
    assert.ok(await size(`${where.directory}/real.log`) > 0);
    assert.ok((await Deno.lstat(`${where.directory}/link.log`)).isSymlink);
  },
);

await systemTest(
  [],
  "P7: a --log pipe that nobody reads holds rest-server, not the program",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await run("mkfifo", `${where.directory}/pipe`);
    await using wrapper = where.serve({
      source: disk.path,
      args: ["--no-auth", "--log", "pipe"],
      env: { MNT_STOP: "1" },
    });
    await wrapper.errLine(/^Data directory/);
    assert.match(await Deno.readLink(`/proc/${serverPid(wrapper)}/exe`), /rest-server$/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 137);
  },
);

await systemTest([], "P9: a --log that cannot be written is one line, and 78", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  for (const [log, errno] of [["missing/log", "ENOENT"], [".", "EISDIR"]] as const) {
    await using wrapper = where.serve({ source: disk.path, args: ["--no-auth", "--log", log] });
    assert.equal(await refusalCode(wrapper), 78);
    const errors = wrapper.errLines.filter((line) => line.includes(" error: "));
    assert.equal(errors.length, 1, errors.join("\n"));
    assert.match(
      errors[0]!,
      new RegExp(`Cannot write to --log ".*": ${errno}; give another file$`),
    );
  }
});

await systemTest(
  ["program:perl"],
  "P10: a socket that a service manager hands over is served under the sandbox",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const activate = "use IO::Socket::INET; use Fcntl; " +
      '$s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:0") or die; ' +
      "open(my $keep, '>&=', $s); POSIX::dup2(fileno($s), 3) if fileno($s) != 3; " +
      "fcntl($s, F_SETFD, 0); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; " +
      'open(my $f, ">", "port"); print $f $s->sockport; close $f; exec @ARGV or die';
    await using wrapper = where.serve({
      source: disk.path,
      prefix: ["perl", "-MPOSIX", "-e", activate, "--"],
    });
    const port = await until(
      () => Deno.readTextFile(`${where.directory}/port`).catch(() => ""),
      "the socket's port",
    );
    await wrapper.errLine(/^systemd socket activation mode$/);
    await assertSandboxed(wrapper);
    assert.equal(await httpStatus(`http://127.0.0.1:${port}/config`), 404);
    await stop(wrapper);
  },
);
