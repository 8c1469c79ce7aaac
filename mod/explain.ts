/**
 * Facts gathered after a mount(2), turned into one sentence and one hint by the table of {@linkcode HINTS}.
 * Loaded where there is something to explain.
 *
 * @module
 */
import type { FailureKind } from "./exit.ts";
import { type Conditions, type Hint, HINTS, type Signs } from "./hints.ts";
import { fill } from "./layers.ts";
import { CAP_SYS_ADMIN, ERRNO, errnoName, MS_RDONLY } from "./linux.ts";
import { formatFlags } from "./mount_options.ts";
import type { MountInfo } from "./mountinfo.ts";
import { maskSecrets } from "./secrets.ts";
import { describeMount, type MountSpec } from "./source.ts";

/** What the kernel lets this process do: credentials(7). */
export interface Rights {
  /** CAP_SYS_ADMIN is there. */
  readonly capable: boolean;
  readonly userNamespace: boolean;
  /** A seccomp filter is there. */
  readonly filtered: boolean;
}

/** What is known about a mount(2). */
export interface MountFacts {
  readonly mounts: readonly MountInfo[];
  /** File systems of `/proc/filesystems`, see proc(5). */
  readonly filesystems: readonly string[];
  /** What blkid says is on the device; `undefined` where it was not asked or knows nothing. */
  readonly blkidType: string | undefined;
  /** Numbers of the devices. */
  readonly majorMinors?: readonly string[];
  readonly sourceExists: boolean;
  readonly targetExists: boolean;
  readonly root: boolean;
  readonly rights?: Rights;
  /** The kernel's own lines since the attempt. */
  readonly kernelLines: readonly string[];
}

/** A failed call, explained. */
export interface Explanation {
  /** Whether time or a person at the disk can cure it. */
  readonly retry: boolean;
  readonly kind: FailureKind;
  /** One line: what was tried, on what, why it failed, what to do. */
  readonly text: string;
  /** The kernel's own lines about it. */
  readonly kernel?: readonly string[];
}

/** File systems that a block device can hold, from the text of `/proc/filesystems`. */
export function blockFilesystems(text: string): string[] {
  return text.split("\n").filter((line) => line.startsWith("\t")).map((line) => line.trim());
}

/** Reads rights from the texts of `/proc/self/status` and `/proc/self/uid_map`, see proc(5). */
export function parseRights(status: string, uidMap: string): Rights {
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\w+)`, "m").exec(status)?.[1] ?? "0";
  return {
    capable: (BigInt(`0x${field("CapEff")}`) & (1n << BigInt(CAP_SYS_ADMIN))) !== 0n,
    // Outside of any, all ids are mapped to themselves.
    userNamespace: uidMap !== "" && !/^\s*0\s+0\s+4294967295\s*$/.test(uidMap),
    filtered: field("Seccomp") === "2",
  };
}

/** How a file system is checked; by mount type. */
const FSCK: Readonly<Record<string, string>> = {
  ext2: "e2fsck -f",
  ext3: "e2fsck -f",
  ext4: "e2fsck -f",
  xfs: "xfs_repair",
  btrfs: "btrfs check",
  vfat: "fsck.vfat -a",
  exfat: "fsck.exfat -a",
};

/** The option that leaves a journal as it is; by mount type. */
const NO_RECOVERY: Readonly<Record<string, string>> = {
  xfs: "norecovery",
  btrfs: "rescue=nologreplay",
};

/** Names and values of a call that the rows' texts can use. */
function wordsOf(spec: MountSpec, facts: MountFacts, elsewhere: MountInfo | undefined) {
  const { source, fstype } = spec;
  const { filesystems, blkidType } = facts;
  return {
    source,
    fstype,
    data: JSON.stringify(maskSecrets(spec.data)),
    filesystems: filesystems.length === 0 ? "none that can be read" : filesystems.join(", "),
    fsck: `"${FSCK[fstype] ?? "fsck"} ${source}"`,
    norecovery: NO_RECOVERY[fstype] ?? "noload",
    ...(blkidType === undefined ? {} : { blkid: blkidType }),
    ...(elsewhere === undefined ? {} : {
      where: elsewhere.mountPoint,
      mode: elsewhere.superOptions.includes("ro") ? "ro" : "rw",
      type: elsewhere.fsType,
    }),
  };
}

/** The words that a row takes from what it recognises; `undefined` where it does not fit. */
function recognise(
  { errno: names, kernel, blkid, fstype, data, ...wanted }: Signs,
  errno: number,
  spec: MountSpec,
  facts: MountFacts,
  conditions: Conditions,
): Record<string, string> | undefined {
  if (names !== undefined && !names.some((name) => ERRNO[name] === errno)) return undefined;
  for (const [name, value] of Object.entries(wanted)) {
    if (conditions[name as keyof Conditions] !== value) return undefined;
  }
  if (blkid !== undefined && !blkid.test(facts.blkidType ?? "")) return undefined;
  if (fstype !== undefined && !fstype.test(spec.fstype)) return undefined;
  const words = {};
  for (const [pattern, texts] of [[kernel, facts.kernelLines], [data, [spec.data]]] as const) {
    if (pattern === undefined) continue;
    const found = texts.map((text) => pattern.exec(text)).find((match) => match !== null);
    if (found === undefined) return undefined;
    Object.assign(words, found.groups);
  }
  return words;
}

/** The row for a call and its texts, filled in. */
function explain(
  errno: number,
  spec: MountSpec,
  facts: MountFacts,
  rows: readonly Hint[],
): Hint | undefined {
  const { mounts, majorMinors = [], blkidType, rights } = facts;
  const elsewhere = mounts.find(({ mountSource, majorMinor }) =>
    mountSource === spec.source || majorMinors.includes(majorMinor)
  );
  const conditions: Conditions = {
    // Two slashes begin the name of a share.
    disk: /^\/(?!\/)/.test(spec.source),
    readOnly: (spec.flags & MS_RDONLY) !== 0,
    sourceThere: facts.sourceExists,
    targetThere: facts.targetExists,
    mounted: elsewhere !== undefined,
    otherType: blkidType !== undefined && blkidType !== spec.fstype,
    root: facts.root,
    capable: rights?.capable ?? false,
    userNamespace: rights?.userNamespace ?? false,
    filtered: rights?.filtered ?? false,
  };
  for (const row of rows) {
    const own = recognise(row.when, errno, spec, facts, conditions);
    if (own === undefined) continue;
    const words = { ...wordsOf(spec, facts, elsewhere), ...own };
    return { ...row, because: fill(row.because, words), hint: fill(row.hint, words) };
  }
  return undefined;
}

/**
 * Explains a failed mount(2): `Cannot mount "/dev/sda1" on "/perm/backup" as ext4: EBUSY (already
 * mounted on "/mnt/usb"); unmount it there`.
 */
export function explainMount(errno: number, spec: MountSpec, facts: MountFacts): Explanation {
  const rows = HINTS.filter(({ warning }) => !warning);
  // The last row fits everything.
  const { because, hint, ...row } = explain(errno, spec, facts, rows)!;
  // With EINVAL somebody had named the file system: it is another disk, which can be unplugged.
  const otherDisk = row.layer === true && errno === ERRNO.EINVAL;
  const options = spec.data === ""
    ? formatFlags(spec.flags)
    : `${formatFlags(spec.flags)},${maskSecrets(spec.data)}`;
  return {
    retry: otherDisk || row.retry !== false,
    kind: otherDisk ? "mount" : row.kind ?? "mount",
    text: `Cannot mount ${describeMount(spec)} with ${options}: ${errnoName(errno)} ` +
      `(${because}); ${hint}`,
    kernel: facts.kernelLines,
  };
}

/** What the kernel's lines say against a file system that was mounted all the same; `undefined` mostly. */
export function warnOfMount(spec: MountSpec, kernelLines: readonly string[]): string | undefined {
  const facts = {
    ...{ mounts: [], filesystems: [], blkidType: spec.fstype, root: true },
    ...{ sourceExists: true, targetExists: true, kernelLines },
  };
  const row = explain(0, spec, facts, HINTS.filter(({ warning }) => warning));
  return row && `"${spec.source}" is mounted, but ${row.because}; ${row.hint}`;
}
