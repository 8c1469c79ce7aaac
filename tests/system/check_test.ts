/** `check` on real disks with the real blkid and the real rest-server: what it says, and that it changes nothing. */
import assert from "node:assert/strict";
import schema from "../../dist/schema/check.schema.json" with { type: "json" };
import type { Finding, ShownDevice, ShownMount } from "../../mod/findings.ts";
import { run, SYSTEM_PATH } from "../support/command.ts";
import { btrfsPair, loopDisk, randomLabel } from "../support/disk.ts";
import { schemaFaults } from "../support/schema.ts";
import {
  mountElsewhere,
  mountsOn,
  type Place,
  place,
  realTools,
  stopCleanly,
  systemTest,
} from "../support/system.ts";
import { startWrapper } from "../support/wrapper.ts";

interface Answer {
  readonly exit_code: number;
  readonly devices: readonly ShownDevice[];
  readonly mount: ShownMount | null;
  readonly findings: readonly Finding[];
}

interface Question {
  readonly env: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly listen?: string;
}

/** Runs `check --json`; what it prints is of the schema, and mounts and locks are as they were. */
async function ask(where: Place, { env, args = ["--no-auth"], listen }: Question): Promise<Answer> {
  const { "rest-server": MNT_SERVER } = await realTools();
  const state = () => [
    Deno.readTextFileSync("/proc/self/mountinfo"),
    [...Deno.readDirSync(where.directory)].map(({ name }) => name).toSorted().join(" "),
  ];
  const before = state();
  const path = `${env["MNT_TARGET"] ?? where.target}/restic`;
  await using wrapper = startWrapper({
    args: ["check", "--json", "--path", path, "--listen", listen ?? "127.0.0.1:0", ...args],
    env: { PATH: SYSTEM_PATH, MNT_SERVER, MNT_TARGET: where.target, ...env },
    cwd: where.directory,
  });
  const code = await wrapper.code();
  const answer: Answer = JSON.parse(wrapper.outLines.join("\n"));
  assert.deepEqual(schemaFaults(schema, answer), []);
  assert.equal(answer.exit_code, code);
  assert.deepEqual(state(), before, "something was changed");
  return answer;
}

function said({ findings }: Answer, level: string): string {
  return findings.filter((finding) => finding.level === level)
    .map(({ area, name, text, cure }) => `${area} ${name}: ${text} -> ${cure}`).join("\n");
}

await systemTest(
  [],
  "check: a disk that is there is fine, and its mount command works",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const answer = await ask(where, { env: { MNT_SOURCE: `LABEL=${disk.label}` } });
    assert.equal(answer.exit_code, 0, said(answer, "error"));
    assert.deepEqual(
      answer.devices.filter(({ match }) => match === "yes").map(({ path }) => path),
      [disk.path],
    );
    const ok = said(answer, "ok");
    assert.match(
      ok,
      new RegExp(`LABEL=${disk.label} is "${disk.path}" \\(ext4, .*UUID=${disk.uuid}`),
    );
    assert.match(ok, /this kernel has ext4/);
    assert.match(ok, /is rest-server 0\.14\.0/);
    assert.match(ok, /Landlock version \d+: rest-server may write only below/);
    assert.match(ok, new RegExp(`"${where.target}" is not there, and would be made`));
    await Deno.mkdir(where.target);
    await run("sh", "-c", answer.mount!.command);
    assert.deepEqual(mountsOn(where.target).map(({ mountSource }) => mountSource), [disk.path]);
    // Mounted by somebody else: it is taken over, and --path can be looked at.
    const mounted = await ask(where, { env: { MNT_SOURCE: disk.path } });
    assert.equal(mounted.exit_code, 0, said(mounted, "error"));
    assert.match(said(mounted, "ok"), /is mounted on ".*" already: it would be taken over -> null/);
    assert.match(said(mounted, "ok"), /--path: ".*\/restic" lies on the disk/);
    await run("umount", where.target);
  },
);

await systemTest(
  ["program:mkfs.btrfs", "program:partx"],
  "check: decoys are named, with what they are: 69",
  async () => {
    const uuid = crypto.randomUUID();
    const label = randomLabel();
    await using _a = await loopDisk({ fstype: "ext4", partition: { uuid, label } });
    await using btrfs = await loopDisk({ fstype: "btrfs", label: label.toUpperCase() });
    await using where = await place();
    const part = await ask(where, { env: { MNT_SOURCE: `UUID=${uuid}` } });
    assert.equal(part.exit_code, 69);
    assert.match(said(part, "warning"), /it is the PARTUUID of "\/dev\/loop/);
    const sub = await run("blkid", "-c", "/dev/null", "-o", "value", "-s", "UUID_SUB", btrfs.path);
    const answer = await ask(where, { env: { MNT_SOURCE: `UUID=${sub}` } });
    assert.equal(answer.exit_code, 69);
    assert.match(said(answer, "warning"), new RegExp(`it is the UUID_SUB of "${btrfs.path}"`));
    const capitals = await ask(where, { env: { MNT_SOURCE: `LABEL=${label}` } });
    assert.match(
      said(capitals, "warning"),
      new RegExp(`"${btrfs.path}" has LABEL=${label.toUpperCase()}, with other capitals`),
    );
    assert.match(said(capitals, "warning"), new RegExp(`it is the PARTLABEL of`));
  },
);

await systemTest(
  ["program:mkfs.btrfs"],
  "check: two disks with one label, and half of a btrfs, are waited for: 69",
  async () => {
    const label = randomLabel();
    await using one = await loopDisk({ fstype: "ext4", label });
    await using two = await loopDisk({ fstype: "ext4", label });
    await using where = await place();
    const twins = await ask(where, { env: { MNT_SOURCE: `LABEL=${label}` } });
    assert.equal(twins.exit_code, 69);
    const error = said(twins, "error");
    assert.match(error, /ambiguous, several devices carry it.*-> unplug all but one/);
    assert.ok(error.includes(one.path) && error.includes(two.path), error);
    await using pair = await btrfsPair();
    const [first] = pair.members;
    await first.attach();
    const half = await ask(where, { env: { MNT_SOURCE: `UUID=${first.uuid}` } });
    assert.equal(half.exit_code, 69);
    assert.match(said(half, "error"), /1 of 2 members/);
  },
);

await systemTest(
  [],
  "check: a blank disk, a wrong type, a file system that this kernel has not: 78",
  async () => {
    await using blank = await loopDisk({ fstype: null });
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const empty = await ask(where, { env: { MNT_SOURCE: blank.path } });
    assert.equal(empty.exit_code, 78);
    assert.match(said(empty, "error"), /blkid knows no file system on .*mkfs/);
    const wrong = await ask(where, { env: { MNT_SOURCE: disk.path, MNT_FSTYPE: "xfs" } });
    assert.equal(wrong.exit_code, 78);
    assert.match(
      said(wrong, "error"),
      /MNT_FSTYPE=xfs, but blkid sees ext4 -> set MNT_FSTYPE=ext4/,
    );
    const missing = await ask(where, { env: { MNT_SOURCE: disk.path, MNT_FSTYPE: "befs9" } });
    assert.equal(missing.exit_code, 78);
    assert.match(said(missing, "error"), /this kernel has no file system "befs9"; it has .*ext4/);
  },
);

await systemTest([], "check: a target that is not free is named with what is on it", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using other = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  const env = { MNT_SOURCE: disk.path };
  await Deno.mkdir(where.target);
  await Deno.writeTextFile(`${where.target}/lost`, "");
  assert.match(said(await ask(where, { env }), "warning"), /is not empty \(lost\).*would hide/);

  await run("mount", other.path, where.target);
  {
    using _held = await Deno.open(`${where.target}/held`, { write: true, create: true });
    const busy = await ask(where, { env });
    assert.equal(busy.exit_code, 78);
    const says = new RegExp(
      `"${other.path}" \\(ext4\\) is mounted on .* -> unmount it, .*held by .*process ${Deno.pid}, ` +
        `"${where.target}/held"`,
    );
    assert.match(said(busy, "error"), says);
  }
  await run("umount", where.target);

  await Deno.mkdir(`${where.directory}/elsewhere`);
  await run("mount", "-o", "ro", disk.path, `${where.directory}/elsewhere`);
  const elsewhere = await ask(where, { env });
  assert.equal(elsewhere.exit_code, 78);
  assert.match(
    said(elsewhere, "error"),
    /is mounted on ".*\/elsewhere", too, and one of both is read-only/,
  );
  await run("umount", `${where.directory}/elsewhere`);

  await Deno.symlink(where.target, `${where.directory}/link`);
  const link = await ask(where, { env: { ...env, MNT_TARGET: `${where.directory}/link` } });
  assert.equal(link.mount!.target, where.target);
  assert.match(said(link, "note"), /leads over a symlink to/);

  const file = await ask(where, { env: { ...env, MNT_TARGET: `${where.target}/lost` } });
  assert.equal(file.exit_code, 78);
  assert.match(said(file, "error"), /lost" is not a directory/);
});

await systemTest(
  [],
  "check: the files on a disk that is mounted elsewhere are looked at there",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const elsewhere = await mountElsewhere(where, disk);
    const question = { env: { MNT_SOURCE: disk.path }, args: [] };
    const missing = await ask(where, question);
    assert.equal(missing.exit_code, 78);
    assert.match(
      said(missing, "error"),
      /password file ".*\/elsewhere\/restic\/\.htpasswd": it is not there/,
    );
    await Deno.mkdir(`${elsewhere}/restic`);
    await Deno.writeTextFile(`${elsewhere}/restic/.htpasswd`, "");
    const there = await ask(where, question);
    assert.equal(there.exit_code, 0, said(there, "error"));
    assert.match(
      said(there, "ok"),
      /password file ".*\/elsewhere\/restic\/\.htpasswd" can be read/,
    );
    await run("umount", elsewhere);
  },
);

await systemTest(
  [],
  "check beside a run that serves: who holds target and port, and it goes on",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await using wrapper = where.serve({ source: disk.path });
    const listen = await wrapper.listening();
    const { pid } = wrapper;
    const answer = await ask(where, { env: { MNT_SOURCE: disk.path }, listen });
    assert.equal(answer.exit_code, 0, said(answer, "error"));
    const holds = new RegExp(`restic-rest-server, process ${pid}, holds "${where.target}"`);
    assert.match(said(answer, "warning"), holds);
    assert.match(
      said(answer, "ok"),
      /in use by rest-server \(process \d+\), which serves this target/,
    );
    await stopCleanly(wrapper, where.target);
  },
);

await systemTest([], "check: a port that another program has: 78, with its name", async () => {
  await using disk = await loopDisk({ fstype: "ext4" });
  await using where = await place();
  using taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const listen = `:${taken.addr.port}`;
  const answer = await ask(where, { env: { MNT_SOURCE: disk.path }, listen });
  assert.equal(answer.exit_code, 78);
  assert.match(
    said(answer, "error"),
    new RegExp(`"${listen}": it is in use by .* \\(process ${Deno.pid}\\)`),
  );
});

await systemTest(
  [],
  "check: a user who may not write to the disk, nor read the files: 78",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    await Deno.mkdir(where.target);
    await run("mount", disk.path, where.target);
    await Deno.chmod(where.directory, 0o755);
    const passwords = `${where.directory}/passwords`;
    await Deno.writeTextFile(passwords, "", { mode: 0o600 });
    const env = { MNT_SOURCE: disk.path, MNT_USER: "4711:4711" };
    const args = ["--htpasswd-file", passwords];
    const refused = await ask(where, { env, args });
    assert.equal(refused.exit_code, 78);
    const errors = said(refused, "error");
    assert.match(errors, new RegExp(`4711:4711 cannot write to "${where.target}" -> .*chown`));
    assert.match(errors, new RegExp(`4711:4711 cannot read "${passwords}"`));
    await Deno.chown(where.target, 4711, 4711);
    await Deno.chown(passwords, 4711, 4711);
    const allowed = await ask(where, { env, args });
    assert.equal(allowed.exit_code, 0, said(allowed, "error"));
    await run("umount", where.target);
  },
);
