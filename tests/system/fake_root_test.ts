/** The fake root of the proof that nothing is written outside the disk: it finds what is. */
import assert from "node:assert/strict";
import { type Allowed, outside } from "../support/changes.ts";
import { loopDisk } from "../support/disk.ts";
import { DENO_DIRECTORY, FakeRoot } from "../support/fake_root.ts";
import { place, systemTest } from "../support/system.ts";

/** What the stand-in of rest-server does, and what is found of it; `$DIR` has two files of 3 bytes. */
const DEEDS: readonly [deed: string, path: string, what: string, bytes: number][] = [
  ["umount -l $DIR/target; printf 1 >$DIR/target/a", "$DIR/target/a", 'a file of 1 bytes: "1"', 1],
  ["printf 2 >/tmp/$NAME", "/tmp/$NAME", 'a file of 1 bytes: "2"', 1],
  ["printf 3 >$HOME/$NAME", "$HOME/$NAME", 'a file of 1 bytes: "3"', 1],
  ["printf 4 >/dev/shm/$NAME", "/dev/shm/$NAME", 'a file of 1 bytes: "4"', 1],
  ["printf 5 >/dev/$NAME", "/dev/$NAME", "a file, where nodes are", 1],
  ["printf new >$DIR/file", "$DIR/file", 'a file of 3 bytes: "new"', 3],
  ["rm $DIR/other", "$DIR/other", "removed", 0],
  ["chmod 700 $DIR/directory", "$DIR/directory", "a directory with another mode or owner", 0],
  [
    "mktemp $DIR/empty/XXX | xargs rm",
    "$DIR/empty",
    "a directory in which something was made and removed",
    0,
  ],
];

/** What the program itself leaves. */
const OWN = (target: string): Allowed[] => [
  { path: "/run/restic-rest-server", below: true, why: "lock and status" },
  { path: DENO_DIRECTORY, below: true, why: "Deno's own cache" },
  { path: target, what: "a new directory", why: "the mount point" },
];

await systemTest(
  ["overlayfs"],
  "what is written outside the disk is found, byte for byte",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const NAME = `rrs-${crypto.randomUUID()}`;
    const variables = { DIR: where.directory, NAME, HOME: Deno.env.get("HOME") ?? "/root" };
    const server = `${where.directory}/server`;
    const deeds = DEEDS.map(([deed]) => deed);
    const script = ["#!/bin/sh", ...deeds, "echo start server on 0 >&2", "exec sleep 1000", ""];
    await Deno.writeTextFile(server, script.join("\n"), { mode: 0o755 });
    for (const name of ["file", "other"]) {
      await Deno.writeTextFile(`${where.directory}/${name}`, "old");
    }
    for (const name of ["directory", "empty"]) await Deno.mkdir(`${where.directory}/${name}`);
    await using root = await FakeRoot.make();
    try {
      const foundNow = async () => outside(await root.changes(), OWN(where.target));
      assert.deepEqual(await foundNow(), []);
      {
        await using wrapper = where.serve({
          source: disk.path,
          prefix: root.prefix(where.directory),
          env: { ...variables, MNT_SERVER: server, MNT_SANDBOX: "off", MNT_WATCH: "0" },
        });
        await wrapper.listening();
      }
      const filled = (text: string) =>
        Object.entries(variables).reduce(
          (all, [name, value]) => all.replace(`$${name}`, value),
          text,
        );
      const wanted = DEEDS.map(([, path, what, bytes]) => ({
        path: filled(path),
        what: filled(what),
        bytes,
      }));
      const byPath = (one: { path: string }, two: { path: string }) => one.path < two.path ? -1 : 1;
      assert.deepEqual((await foundNow()).toSorted(byPath), wanted.toSorted(byPath));
      assert.equal(await Deno.readTextFile(`${where.directory}/file`), "old");
    } finally {
      // That one was no fake.
      await Deno.remove(`/dev/${NAME}`).catch(() => {});
    }
  },
);
