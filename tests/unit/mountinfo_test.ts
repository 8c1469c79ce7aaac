import assert from "node:assert/strict";
import {
  isBelow,
  mountAt,
  mountHolding,
  type MountInfo,
  parseMountinfo,
} from "../../mod/mountinfo.ts";
import { fixture } from "./fixture.ts";

async function mounts(name: string): Promise<MountInfo[]> {
  return parseMountinfo(await fixture(`mountinfo/${name}.txt`));
}

Deno.test("parseMountinfo() gives every field of proc(5)", () => {
  const line =
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n";
  assert.deepEqual(parseMountinfo(line), [{
    mountId: 36,
    parentId: 35,
    majorMinor: "98:0",
    root: "/mnt1",
    mountPoint: "/mnt2",
    mountOptions: ["rw", "noatime"],
    optionalFields: ["master:1", "propagate_from:2"],
    fsType: "ext3",
    mountSource: "/dev/root",
    superOptions: ["rw", "errors=continue"],
  }]);
});

Deno.test("parseMountinfo() undoes the kernel's escapes", async () => {
  assert.deepEqual(
    (await mounts("escapes")).map(({ mountPoint, mountSource }) => [mountPoint, mountSource]),
    [
      ["/media", "base"],
      ["/media/a b", "with space"],
      ["/media/tab\there", "a#b\\c"],
      ["/media/line\nend", "none"],
      ["/media/back\\slash", "none"],
      ["/media/ha#sh", "none"],
      ["/media/umläut", "ümlaut"],
      ["/media/ - ", "none"],
    ],
  );
});

Deno.test("parseMountinfo() undoes an escape once", () => {
  const [mount] = parseMountinfo("1 0 0:1 /\\134040 /\\\\040 rw - t s\\134134 rw,b=\\040\n");
  assert.equal(mount!.root, "/\\040");
  assert.equal(mount!.mountSource, "s\\134");
  assert.deepEqual(mount!.superOptions, ["rw", "b= "]);
});

// The kernel's seq_show_option() writes a comma within a value as \054, so that it does not separate.
Deno.test("parseMountinfo() does not take a comma within a value for the end of an option", () => {
  const [mount] = parseMountinfo("1 0 0:1 / /a rw - t s rw,a=x\\054shutdown,b\n");
  assert.deepEqual(mount!.superOptions, ["rw", "a=x,shutdown", "b"]);
});

Deno.test("parseMountinfo() reads long lines, propagation tags and subvolumes", async () => {
  const long = (await mounts("long")).at(-1)!;
  assert.equal(long.fsType, "overlay");
  assert.equal(long.superOptions.find((option) => /^lowerdir/.test(option))!.split(":").length, 60);
  assert.deepEqual((await mounts("propagated")).map((mount) => mount.optionalFields), [
    [],
    ["shared:1"],
    ["master:1"],
    ["shared:2"],
    ["master:2"],
    ["unbindable"],
  ]);
  assert.deepEqual((await mounts("btrfs")).slice(1).map(({ root, fsType }) => [root, fsType]), [
    ["/", "btrfs"],
    ["/backup", "btrfs"],
    ["/backup/restic", "btrfs"],
  ]);
});

Deno.test("parseMountinfo() reads an empty source and missing super options", () => {
  const [empty, none] = parseMountinfo("1 0 0:1 / / rw - tmpfs  rw\n2 1 0:2 / /a rw - tmpfs x\n");
  assert.equal(empty!.mountSource, "");
  assert.deepEqual(empty!.superOptions, ["rw"]);
  assert.deepEqual(none!.superOptions, [""]);
});

Deno.test("parseMountinfo() reads what this machine has", async () => {
  const found = parseMountinfo(await Deno.readTextFile("/proc/self/mountinfo"));
  assert.ok(mountHolding(found, "/") !== undefined);
  const holder = mountHolding(found, "/proc/self")!;
  assert.equal(holder.fsType, "proc");
});

Deno.test("parseMountinfo() refuses what is not of that form", async () => {
  const bad = [
    await fixture("mountinfo/bad-proc-mounts.txt"),
    "36 35 98:0 / /mnt rw - ext3",
    "36 35 98:0 / /mnt rw ext3 /dev/root rw",
    "36 35 98:0 / /mnt - ext3 /dev/root rw",
    "36 35 98 / /mnt rw - ext3 /dev/root rw",
    "x 35 98:0 / /mnt rw - ext3 /dev/root rw",
    "36  35 98:0 / /mnt rw - ext3 /dev/root rw",
    "36 -1 98:0 / /mnt rw - ext3 /dev/root rw",
    "-",
    " ",
    "\0",
  ];
  for (const text of bad) {
    assert.throws(() => parseMountinfo(text), {
      name: "SyntaxError",
      message: /^Cannot parse mountinfo line: "/,
    }, text);
  }
  assert.deepEqual(parseMountinfo(""), []);
  assert.deepEqual(parseMountinfo("\n"), []);
});

Deno.test("isBelow() compares whole names", () => {
  const cases: [string, string, boolean][] = [
    ["/a", "/a", true],
    ["/a/b", "/a", true],
    ["/ab", "/a", false],
    ["/a", "/a/b", false],
    ["/", "/", true],
    ["/a", "/", true],
    ["/", "/a", false],
    ["/a b", "/a", false],
  ];
  for (const [path, ancestor, expected] of cases) {
    assert.equal(isBelow(path, ancestor), expected, `${path} ${ancestor}`);
  }
});

Deno.test("mountHolding() takes the top of a stack", async () => {
  const stacked = await mounts("stacked");
  for (const path of ["/media/stack", "/media/stack/restic"]) {
    assert.equal(mountHolding(stacked, path)?.mountSource, "/dev/loop0", path);
  }
  assert.equal(mountHolding(stacked, "/media/stacked")?.mountSource, "base");
  assert.equal(mountAt(stacked, "/media/stack")?.mountSource, "/dev/loop0");
  assert.equal(mountAt(stacked, "/media/stack/restic"), undefined);
});

Deno.test("mountHolding() does not see a mount below an over-mounted directory", async () => {
  const stacked = await mounts("stacked");
  for (const path of ["/media/over", "/media/over/below", "/media/over/below/x"]) {
    assert.equal(mountHolding(stacked, path)?.mountSource, "cover", path);
  }
  assert.equal(mountAt(stacked, "/media/over/below"), undefined);
});

Deno.test("mountHolding() finds propagated mounts, each below its own parent", async () => {
  const propagated = await mounts("propagated");
  assert.equal(mountHolding(propagated, "/media/shared/inner/x")?.mountId, 66);
  assert.equal(mountHolding(propagated, "/media/slave/inner/x")?.mountId, 67);
  assert.equal(mountHolding(propagated, "/media/slave/x")?.mountId, 65);
});

Deno.test("mountHolding() starts at the root: rootfs, a mount over it, or one whose parent is hidden", () => {
  const line = (id: number, parent: number, point: string) =>
    `${id} ${parent} 0:${id} / ${point} rw - tmpfs ${id} rw\n`;
  const cases: [string, string, number | undefined][] = [
    [line(1, 1, "/") + line(2, 1, "/") + line(3, 2, "/a"), "/a/b", 3],
    [line(1, 0, "/") + line(3, 1, "/a"), "/b", 1],
    [line(20, 1, "/") + line(3, 20, "/a"), "/a", 3],
    // Lines need not come in the order of mounting.
    [line(3, 20, "/a") + line(20, 1, "/"), "/a", 3],
    // Seen from a chroot, nothing is at /.
    [line(20, 1, "/srv"), "/a", undefined],
    [line(20, 1, "/srv"), "/srv/a", 20],
    ["", "/", undefined],
  ];
  for (const [text, path, expected] of cases) {
    assert.equal(mountHolding(parseMountinfo(text), path)?.mountId, expected, `${text}${path}`);
  }
});

// A read of /proc/self/mountinfo that mounts and unmounts run beside can show an id twice, since ids are
// given anew; the walk must not go round.
Deno.test("mountHolding() ends where an id stands twice", () => {
  const text = "1 0 0:1 / / rw - t a rw\n2 1 0:2 / /a rw - t b rw\n1 2 0:3 / /a rw - t c rw\n";
  assert.ok(mountHolding(parseMountinfo(text), "/a") !== undefined);
});

Deno.test("parseMountinfo() and mountHolding() of 10,000 mounts do not grow with their square", () => {
  let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n";
  for (let id = 2; id <= 10_000; id++) {
    text += `${id} 1 0:${id} / /mnt/${id} rw,relatime shared:${id} - tmpfs t${id} rw\n`;
  }
  const many = parseMountinfo(text);
  assert.equal(many.length, 10_000);
  for (const id of [2, 5000, 10_000]) assert.equal(mountHolding(many, `/mnt/${id}/x`)!.mountId, id);
});
