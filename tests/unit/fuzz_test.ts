/** Every parser against broken input: it gives what it promises, or its own error, and always ends. */
import assert from "node:assert/strict";
import { parseBlkid } from "../../mod/blkid.ts";
import { parseBtrfsSuper } from "../../mod/btrfs.ts";
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { parseFlagsFile } from "../../mod/config_directory.ts";
import { kernelMessages, parseKernelRecord } from "../../mod/kmsg.ts";
import { MOUNT_OPTIONS, parseMountOptions, splitOptions } from "../../mod/mount_options.ts";
import { mountAt, mountHolding, parseMountinfo } from "../../mod/mountinfo.ts";
import { parseServerArgs, SERVER_FLAGS } from "../../mod/server_args.ts";
import { CONFIG } from "../../mod/variables.ts";
import { mutate } from "../support/mutate.ts";
import { prove, type Random } from "../support/soak.ts";
import { fixture, fixtureBytes, tolerate } from "./fixture.ts";

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

/** Lines of real output, one by one and a few together. */
async function corpus(...names: string[]): Promise<string[]> {
  const texts = await Promise.all(names.map(fixture));
  return texts.flatMap((text) => [...lines(text).map((line) => `${line}\n`), text.slice(0, 1000)]);
}

interface Target {
  readonly name: string;
  /** Makes the next input. */
  readonly input: (random: Random) => unknown;
  /** Throws where the promise is broken. */
  readonly check: (input: never) => void;
}

const blkid = await corpus(
  "blkid/util-linux-2.38.1.txt",
  "blkid/util-linux-2.41.5.txt",
  "blkid/busybox-1.35.0.txt",
  "blkid/bad-cut.txt",
  "blkid/bad-export.txt",
);
const mountinfo = await corpus(
  "mountinfo/btrfs.txt",
  "mountinfo/escapes.txt",
  "mountinfo/stacked.txt",
  "mountinfo/propagated.txt",
  "mountinfo/bad-proc-mounts.txt",
);
const kmsg = await corpus("kmsg/boot.txt", "kmsg/mount.txt", "kmsg/bad-dmesg.txt");
const supers = await Promise.all(
  ["raid1-member1", "raid1-member2", "single", "bad-ext4"].map((name) =>
    fixtureBytes(`btrfs/${name}.bin`)
  ),
);

const OPTION_LISTS = [
  "ro,noatime,nofail,subvol=backup",
  "nosuid,nodev,noexec,relatime",
  'context="system_u:object_r:tmp_t:s0:c127,c456",rw',
  "x-systemd.automount,X-mount.mkdir,defaults",
  "device=/dev/sda,degraded,compress=zstd:3",
];
const OPTION_WORDS = [...MOUNT_OPTIONS.map(({ name }) => name), ",", "=", '"', "x-", "context="];

const ARGUMENT_LISTS = [
  "--path\n/perm/backup/restic\n--listen\n:8000\n--no-auth",
  "--path=/perm/backup\n--listen=unix:/run/x\n--tls\n--tls-cert=a\n--tls-key=b",
  "--listen\n[::1]:8000\n--\n--path\n/x",
  "--append-only\n--private-repos\n--htpasswd-file\n/h\n--log\n-\n--max-size=10",
];
const ARGUMENT_WORDS = [...Object.keys(SERVER_FLAGS).map((name) => `--${name}`), "=", "\n", "--"];

const ENVIRONMENTS = [
  "MNT_SOURCE=UUID=5e1c\nMNT_TARGET=/perm/backup\nMNT_FSTYPE=ext4\nMNT_WAIT=60",
  "MNT_SOURCE=/dev/sda1\nMNT_TARGET=/mnt\nMNT_OPTIONS=ro,noatime\nMNT_DATA=errors=remount-ro",
  'MNT_SOURCE=LABEL="a b"\nMNT_TARGET=/a/../b\nMNT_USER=1000:1000\nMNT_STOP=0\nMNT_WATCH=0.5',
  "MNT_SOURCE=server:/export\nMNT_TARGET=/mnt\nMNT_FSTYPE=nfs4\nMNT_SANDBOX=off\nMNT_LOG=json",
  "MNT_SORCE=x\nMNT_WAIT=-1\nMNT_STOP=1e99\nMNT_USER=root",
];
const ENVIRONMENT_WORDS = [
  ...Object.keys(CONFIG),
  "=",
  "\n",
  "UUID=",
  "PARTLABEL=",
  "/..",
  "/",
  "\0",
  "bind",
  '"',
  "off",
];

function asVariables(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").map((line) => {
      const equals = line.indexOf("=");
      return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
}

const TARGETS: readonly Target[] = [
  {
    name: "config",
    input: (random) => [
      mutate(ENVIRONMENTS, ENVIRONMENT_WORDS, random),
      mutate(ENVIRONMENTS, ENVIRONMENT_WORDS, random),
      mutate(ARGUMENT_LISTS, ARGUMENT_WORDS, random),
    ],
    check: ([environment, file, flags]: [string, string, string]) => {
      const list = tolerate(ConfigError, () => parseFlagsFile(flags));
      if (list === undefined) return;
      const args = parseServerArgs(list);
      const settings = mergeSettings(asVariables(environment), {
        path: "/etc/env.txt",
        variables: asVariables(file),
      });
      const config = tolerate(ConfigError, () => parseConfig(settings, args, "/work"));
      if (config?.mount == null) return;
      const { target, path, data } = config.mount;
      assert.ok(target.startsWith("/") && target !== "/" && !/\/\.{0,2}(\/|$)/.test(target));
      assert.ok(path === target || path.startsWith(`${target}/`), "P1: --path off the target");
      assert.ok(new TextEncoder().encode(data).length <= 4095, "more data than mount(2) takes");
      assert.doesNotMatch(target + data + path, /\0/, "mount(2) would see another text");
      assert.ok(config.stopMs >= 0 && config.watchMs >= 0 && (config.waitMs ?? 0) >= 0);
    },
  },
  {
    name: "options",
    input: (random) => mutate(OPTION_LISTS, OPTION_WORDS, random),
    check: (text: string) => {
      const parsed = tolerate(RangeError, () => parseMountOptions(text));
      if (parsed === undefined) return;
      assert.ok(Number.isInteger(parsed.flags) && parsed.flags >= 0);
      for (const item of splitOptions(parsed.data)) {
        const name = item.split("=")[0]!;
        assert.ok(!MOUNT_OPTIONS.some((option) => option.name === name), `${name} in the data`);
      }
    },
  },
  {
    name: "mountinfo",
    input: (random) => mutate(mountinfo, [" - ", "\\040", "8:1", " ", "\n", "/mnt"], random),
    check: (text: string) => {
      const mounts = tolerate(SyntaxError, () => parseMountinfo(text));
      if (mounts === undefined) return;
      for (const mount of mounts) {
        assert.ok(Number.isInteger(mount.mountId) && /^\d+:\d+$/.test(mount.majorMinor));
        assert.ok(mount.superOptions.length > 0 && mount.mountOptions.length > 0);
      }
      for (const path of ["/", "/mnt", mounts[0]?.mountPoint ?? "/a"]) {
        const at = mountAt(mounts, path);
        if (at !== undefined) assert.equal(at, mountHolding(mounts, path));
      }
    },
  },
  {
    name: "blkid",
    input: (random) =>
      mutate(blkid, ['="', '" ', "UUID=", "LABEL=", "\\x41", "\\", ": ", "\n/dev/sdz:"], random),
    check: (text: string) => {
      for (const { path, tags } of tolerate(SyntaxError, () => parseBlkid(text)) ?? []) {
        assert.ok(path !== "");
        for (const [name, value] of Object.entries(tags)) {
          assert.match(name, /^[A-Z][A-Z0-9_]*$/);
          assert.equal(typeof value, "string");
        }
      }
    },
  },
  {
    name: "kmsg",
    input: (random) => mutate(kmsg, ["6,339,5140900,-;", "\\x0a", ",", ";", "\n "], random),
    check: (text: string) => {
      const record = tolerate(SyntaxError, () => parseKernelRecord(text));
      if (record !== undefined) assert.ok(record.level >= 0 && record.level <= 7);
      const messages = kernelMessages(text.split("\n"));
      assert.ok(messages.length <= 5 && !messages.includes(""));
    },
  },
  {
    name: "btrfs super block",
    input: (random) => {
      const bytes = random.pick(supers).slice();
      for (let faults = random.below(9); faults > 0; faults--) {
        // Mostly where fields that are read lie.
        const at = random.below(random.pick([300, bytes.length]));
        const length = random.pick([1, 1, 8, 64]);
        bytes.set(random.bytes(Math.min(length, bytes.length - at)), at);
      }
      return random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
    },
    check: (bytes: Uint8Array) => {
      const parsed = tolerate(SyntaxError, () => parseBtrfsSuper(bytes));
      if (parsed === undefined) return;
      assert.match(parsed.fsid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.match(parsed.deviceUuid, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.ok(parsed.numDevices >= 1 && parsed.numDevices <= 0xffff);
      assert.ok(Number.isSafeInteger(parsed.devid) && parsed.devid >= 0);
    },
  },
  {
    name: "server arguments",
    input: (random) => mutate(ARGUMENT_LISTS, ARGUMENT_WORDS, random).split("\n"),
    check: (args: string[]) => {
      const parsed = parseServerArgs(args);
      assert.notEqual(parsed.path, "");
      if (parsed.listen.kind === "tcp") assert.equal(typeof parsed.listen.port, "string");
      // As the value of another flag it would be none, either; the other way round is for the properties.
      if (!args.some((arg) => arg.startsWith("--path"))) assert.equal(parsed.path, undefined);
    },
  },
];

/** What is shown of an input that broke a parser. */
function show(input: unknown): string {
  return input instanceof Uint8Array ? input.toBase64() : JSON.stringify(input);
}

for (const { name, input, check } of TARGETS) {
  Deno.test(`fuzz: ${name} gives what it promises or its own error, whatever it reads`, async () => {
    await prove({ name: `fuzz: ${name}`, ci: 20_000, soak: 1_000_000 }, (tally) => {
      for (; tally.done < tally.count; tally.done++) {
        const next = input(tally.random);
        try {
          check(next as never);
        } catch (error) {
          throw new Error(`${error} with the input ${show(next)}`, { cause: error });
        }
      }
    });
  });
}
