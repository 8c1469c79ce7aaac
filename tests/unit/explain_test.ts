import assert from "node:assert/strict";
import { MountError } from "../../mod/call_mount.ts";
import { blockFilesystems, explainMount, type MountFacts } from "../../mod/explain.ts";
import type { FailureKind } from "../../mod/exit.ts";
import { ERRNO, errnoName } from "../../mod/linux.ts";
import { parseMountinfo } from "../../mod/mountinfo.ts";
import { describeMount, type MountSpec } from "../../mod/source.ts";
import { explainUnmount } from "../../mod/unmount_reasons.ts";

const SPEC: MountSpec = {
  source: "/dev/sda1",
  target: "/perm/backup",
  fstype: "ext4",
  flags: 0x20000e,
  data: "",
};
const FACTS: MountFacts = {
  mounts: [],
  filesystems: ["ext4", "vfat"],
  blkidType: "ext4",
  sourceExists: true,
  targetExists: true,
  root: true,
  kernelLines: [],
};
const ELSEWHERE = parseMountinfo(
  "1 0 8:2 / / rw - ext4 /dev/sda2 rw\n2 1 8:1 / /mnt/usb rw - ext4 /dev/sda1 ro,errors=continue\n",
);

interface Case {
  readonly errno: number;
  readonly spec?: Partial<MountSpec>;
  readonly facts?: Partial<MountFacts>;
  readonly because: string | RegExp;
  readonly hint: RegExp;
  /** "mount" and a retry unless it says otherwise. */
  readonly final?: FailureKind;
}

const CASES: readonly Case[] = [
  { errno: ERRNO.EPERM, because: /CAP_SYS_ADMIN/, hint: /container/, final: "not permitted" },
  {
    errno: ERRNO.EPERM,
    facts: { root: false },
    because: "only root can mount",
    hint: /run it as root/,
    final: "not permitted",
  },
  {
    errno: ERRNO.ENODEV,
    spec: { fstype: "exfat" },
    because: 'this kernel has no file system "exfat"; it has ext4, vfat',
    hint: /MNT_FSTYPE/,
    final: "configuration",
  },
  {
    errno: ERRNO.ENODEV,
    facts: { filesystems: [] },
    because: /it has none that can be read$/,
    hint: /MNT_FSTYPE/,
    final: "configuration",
  },
  {
    errno: ERRNO.ENOTBLK,
    because: /not a block device/,
    hint: /losetup/,
    final: "configuration",
  },
  { errno: ERRNO.ENOTDIR, because: /not a directory/, hint: /MNT_TARGET/, final: "configuration" },
  {
    errno: ERRNO.ENOENT,
    facts: { targetExists: false },
    because: "the target is not there",
    hint: /./,
  },
  {
    errno: ERRNO.ENOENT,
    facts: { sourceExists: false },
    because: "the source is not there",
    hint: /unplugged/,
  },
  { errno: ERRNO.ENOENT, because: /options name is missing/, hint: /MNT_DATA/ },
  {
    errno: ERRNO.ENOENT,
    spec: { fstype: "btrfs" },
    because: /member device of the btrfs, or the subvolume/,
    hint: /MNT_OPTIONS=degraded/,
  },
  { errno: ERRNO.EBUSY, because: "the source is in use", hint: /RAID/ },
  {
    errno: ERRNO.EBUSY,
    facts: { mounts: ELSEWHERE },
    because: 'already mounted on "/mnt/usb" (ro, ext4)',
    hint: /set MNT_TARGET=\/mnt\/usb$/,
  },
  {
    errno: ERRNO.EINVAL,
    spec: { data: "errors=continue,nofail" },
    because: /^"nofail" in the data is a word of mount\(8\)/,
    hint: /to MNT_OPTIONS$/,
  },
  {
    errno: ERRNO.EINVAL,
    facts: { blkidType: "btrfs" },
    because: "wrong file system: blkid sees btrfs",
    hint: /set MNT_FSTYPE=btrfs/,
  },
  {
    errno: ERRNO.EINVAL,
    facts: { blkidType: undefined },
    because: /^wrong file system type, bad option/,
    hint: /fsck -n "\/dev\/sda1"$/,
  },
  { errno: ERRNO.EINVAL, spec: { data: 'x="1"' }, because: /bad option/, hint: /"x=\\"1\\""/ },
  { errno: ERRNO.EROFS, because: /write-protected/, hint: /MNT_OPTIONS=ro/ },
  { errno: ERRNO.EACCES, because: /write-protected/, hint: /MNT_OPTIONS=ro/ },
  { errno: ERRNO.EACCES, spec: { flags: 1 }, because: "permission denied", hint: /./ },
  { errno: ERRNO.EIO, because: /errors/, hint: /cable/ },
  { errno: ERRNO.EUCLEAN, because: /damaged/, hint: /fsck on "\/dev\/sda1"/ },
  { errno: ERRNO.ENXIO, because: /no medium/, hint: /plug/ },
  { errno: ERRNO.ENOMEDIUM, because: /no medium/, hint: /plug/ },
  { errno: 524, because: "the kernel refused", hint: /kernel log/ },
];

Deno.test("P9: explainMount() says what was tried, what the kernel said, why, and what to do", () => {
  for (const { errno, spec = {}, facts = {}, because, hint, final } of CASES) {
    const whole = { ...SPEC, ...spec };
    const { text, kind, retry } = explainMount(errno, whole, { ...FACTS, ...facts });
    const label = `${errnoName(errno)} ${because}`;
    const parts = /^Cannot mount (.*) with (\S*): ([A-Z]+|errno \d+) \((.*)\); (.*)$/.exec(text);
    assert.ok(parts !== null, text);
    const [, what, , name, why, cure] = parts;
    assert.equal(what, describeMount(whole), label);
    assert.equal(name, errnoName(errno), label);
    if (typeof because === "string") assert.equal(why, because, label);
    else assert.match(why!, because, label);
    assert.match(cure!, hint, label);
    assert.equal(retry, final === undefined, label);
    assert.equal(kind, final ?? "mount", label);
  }
});

Deno.test("explainMount() has a line for every errno, never an undefined", () => {
  for (const errno of Object.values(ERRNO)) {
    for (const facts of [FACTS, { ...FACTS, mounts: ELSEWHERE, blkidType: undefined }]) {
      const { text } = explainMount(errno, SPEC, facts);
      assert.ok(text.includes(errnoName(errno)));
      assert.doesNotMatch(text, /undefined|\[object|\n/);
    }
  }
});

Deno.test("explainMount() takes whole words of the data for words of mount(8), no others", () => {
  const word = (data: string) =>
    /\("([^"]*)" in the data/.exec(explainMount(ERRNO.EINVAL, { ...SPEC, data }, FACTS).text)?.[1];
  const cases: [string, string | undefined][] = [
    ["defaults", "defaults"],
    ["a=1,defaults,b", "defaults"],
    ["user", "user"],
    ["users", "users"],
    ["_netdev", "_netdev"],
    ["x-systemd.automount=1", "x-systemd.automount"],
    ["noauto", "noauto"],
    ["auto_da_alloc", undefined],
    ["noauto_da_alloc", undefined],
    ["usrquota,user_xattr", undefined],
    ["data=ordered", undefined],
    ["index=defaults", undefined],
  ];
  for (const [data, expected] of cases) assert.equal(word(data), expected, data);
});

Deno.test("explainMount() shows options as given and the kernel's own lines", () => {
  const { text, kernel } = explainMount(
    ERRNO.EINVAL,
    { ...SPEC, data: "subvol=a" },
    { ...FACTS, kernelLines: ["EXT4-fs (sda1): bad", "again"] },
  );
  assert.match(text, / with rw,nosuid,nodev,noexec,relatime,subvol=a: EINVAL /);
  assert.deepEqual(kernel, ["EXT4-fs (sda1): bad", "again"]);
});

Deno.test("a MountError ends with the kernel's words, also where it says what comes now", () => {
  const explanation = { retry: true, kind: "mount", text: "Cannot mount; run fsck" } as const;
  const heard = new MountError(SPEC, ERRNO.EINVAL, { ...explanation, kernel: ["sda1: bad", "a"] });
  assert.equal(heard.message, "Cannot mount; run fsck; the kernel says: sda1: bad | a");
  assert.equal(
    heard.followedBy("trying again"),
    "Cannot mount; run fsck; trying again; the kernel says: sda1: bad | a",
  );
  const silent = new MountError(SPEC, ERRNO.EINVAL, explanation);
  assert.equal(silent.message, "Cannot mount; run fsck");
  assert.equal(silent.followedBy("trying again"), "Cannot mount; run fsck; trying again");
});

Deno.test("explainUnmount() says who holds it", () => {
  const cases: [number, string[], string][] = [
    [ERRNO.EBUSY, [], "EBUSY (something holds it)"],
    [ERRNO.EBUSY, ["sh (process 1)", 'swap "/x"'], 'EBUSY (held by sh (process 1), swap "/x")'],
    [ERRNO.EINVAL, ["ignored"], "EINVAL (it is no mount any more, or locked by a user namespace)"],
    [ERRNO.EPERM, [], "EPERM (only root with CAP_SYS_ADMIN can unmount)"],
  ];
  for (const [errno, holders, expected] of cases) {
    assert.equal(
      explainUnmount(errno, "/perm/backup", holders),
      `Cannot unmount "/perm/backup": ${expected}`,
    );
  }
});

Deno.test("blockFilesystems() leaves out those without a device", () => {
  assert.deepEqual(blockFilesystems("nodev\tsysfs\nnodev\ttmpfs\n\text3\n\text4\nnodev\t9p\n"), [
    "ext3",
    "ext4",
  ]);
  assert.deepEqual(blockFilesystems(""), []);
});
