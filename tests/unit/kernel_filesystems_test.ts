import assert from "node:assert/strict";
import { findSupport, type KernelFacts, type Support } from "../../mod/kernel_filesystems.ts";

const FACTS: KernelFacts = {
  filesystems: "nodev\tsysfs\nnodev\tnfs4\n\text4\n\tfuseblk\nnodev\tfuse\n",
  aliases: "# Aliases\nalias fs-exfat exfat\nalias fs-nfs nfs\nalias fs-xfs-not other\n",
  modprobe: true,
};

Deno.test("findSupport() tells what is here, what a module brings, and what is nowhere", () => {
  const has = ["ext4", "fuseblk"];
  const cases: [string, Partial<KernelFacts>, Support][] = [
    ["ext4", {}, { kind: "here" }],
    ["nfs4", {}, { kind: "here" }],
    ["fuse.sshfs", {}, { kind: "here" }],
    ["exfat", {}, { kind: "module", module: "exfat" }],
    ["exfat", { modprobe: false }, { kind: "unloaded", module: "exfat" }],
    ["exfat", { aliases: undefined }, { kind: "none", has }],
    ["xfs", {}, { kind: "none", has }],
    ["ext", {}, { kind: "none", has }],
    ["nodev", {}, { kind: "none", has }],
    ["ext4", { filesystems: "" }, { kind: "none", has: [] }],
  ];
  for (const [fstype, facts, expected] of cases) {
    assert.deepEqual(findSupport(fstype, { ...FACTS, ...facts } as KernelFacts), expected, fstype);
  }
});
