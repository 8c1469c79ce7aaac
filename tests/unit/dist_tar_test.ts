/** The archive of extra files. */
import assert from "node:assert/strict";
import { unpackTar } from "modern-tar";
import { imageFile } from "../../dist/gokrazy/image.ts";
import { tarOrder, writeTar } from "../../dist/gokrazy/tar.ts";
import { tempDirectory } from "../support/temp.ts";

const CASES = [
  ["/usr/local/bin/b", 0o755, "program"],
  ["/lib/c.so", 0o644, ""],
  ["/usr/local/bin/a", 0o755, "x".repeat(3000)],
] as const;

/** The files with these contents; `order` and the times of the files are the world's own. */
async function files(folder: string, cases: readonly (typeof CASES)[number][]) {
  return await Promise.all(cases.map(async ([path, mode, text], index) => {
    const local = `${folder}/${index}`;
    await Deno.writeTextFile(local, text, { mode: 0o600 });
    return await imageFile(path, mode, local);
  }));
}

Deno.test("writeTar() sorts, keeps modes, and gives all to root at a fixed time, without ./", async () => {
  await using folder = await tempDirectory();
  const path = `${folder.path}/out.tar`;
  await writeTar(path, await files(folder.path, CASES));
  const entries = await unpackTar(await Deno.readFile(path));
  const told = entries.map(({ header, data }) => [
    header.name,
    header.mode,
    new TextDecoder().decode(data),
  ]);
  assert.deepEqual(told, [
    ["lib/c.so", 0o644, ""],
    ["usr/local/bin/a", 0o755, "x".repeat(3000)],
    ["usr/local/bin/b", 0o755, "program"],
  ]);
  for (const { header: { uid, gid, mtime, type } } of entries) {
    const fixed = { uid: 0, gid: 0, time: Date.UTC(2020, 0, 1), type: "file" };
    assert.deepEqual({ uid, gid, time: mtime?.getTime(), type }, fixed);
  }
});

Deno.test("writeTar() writes the same bytes for the same files in another order and of another time", async () => {
  await using one = await tempDirectory();
  await using other = await tempDirectory();
  await writeTar(`${one.path}/tar`, await files(one.path, CASES));
  const turned = await files(other.path, CASES.toReversed());
  await Deno.utime(turned[0]!.local, 1, 1);
  await writeTar(`${other.path}/tar`, turned);
  assert.deepEqual(
    await Deno.readFile(`${one.path}/tar`),
    await Deno.readFile(`${other.path}/tar`),
  );
});

Deno.test("writeTar() fails where a file is gone, and closes the others", async () => {
  await using folder = await tempDirectory();
  const gone = await files(folder.path, CASES);
  await Deno.remove(gone[2]!.local);
  await assert.rejects(writeTar(`${folder.path}/tar`, gone), { name: "NotFound" });
});

Deno.test("tarOrder() refuses two files for one place", async () => {
  await using folder = await tempDirectory();
  const twice = await files(folder.path, [CASES[0], CASES[0]]);
  assert.throws(() => tarOrder(twice), /two files go to "\/usr\/local\/bin\/b"/);
});
