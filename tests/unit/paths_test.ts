import assert from "node:assert/strict";
import { files } from "../../mod/edges.ts";
import { type NearestPath, readTextIfAny, resolveNearest } from "../../mod/paths.ts";
import { tempDirectory } from "../support/temp.ts";

Deno.test("resolveNearest() resolves symlinks as far as the path exists", async () => {
  await using temp = await tempDirectory();
  const root = await Deno.realPath(temp.path);
  await Deno.mkdir(`${root}/disk/restic`, { recursive: true });
  await Deno.symlink("disk", `${root}/link`);
  await Deno.symlink("/", `${root}/disk/off`);
  const cases: [string, NearestPath][] = [
    ["/disk", { existing: `${root}/disk`, real: `${root}/disk` }],
    ["/disk/new", { existing: `${root}/disk`, real: `${root}/disk/new` }],
    ["/disk/new/deep er/ü", { existing: `${root}/disk`, real: `${root}/disk/new/deep er/ü` }],
    ["/link", { existing: `${root}/disk`, real: `${root}/disk` }],
    ["/link/restic/a", { existing: `${root}/disk/restic`, real: `${root}/disk/restic/a` }],
    ["/disk/off", { existing: "/", real: "/" }],
    ["/disk/off/no-such-directory-here/a", { existing: "/", real: "/no-such-directory-here/a" }],
  ];
  for (const [path, expected] of cases) {
    assert.deepEqual(await resolveNearest(root + path, files), expected, path);
  }
  assert.deepEqual(await resolveNearest("/", files), { existing: "/", real: "/" });
});

Deno.test("resolveNearest() fails where realpath(3) does, other than by a missing file", async () => {
  await using temp = await tempDirectory();
  await Deno.writeTextFile(`${temp.path}/file`, "");
  await Deno.symlink("loop", `${temp.path}/loop`);
  await assert.rejects(resolveNearest(`${temp.path}/file/x`, files), Deno.errors.NotADirectory);
  await assert.rejects(resolveNearest(`${temp.path}/loop/x`, files));
});

// A symlink whose target is not there yet leads where it leads: once the other end is made, the server
// writes there.
Deno.test("P1: resolveNearest() does not take a dangling symlink for a directory to be made", async () => {
  await using temp = await tempDirectory();
  const root = await Deno.realPath(temp.path);
  await Deno.mkdir(`${root}/disk`);
  await Deno.symlink(`${root}/elsewhere/restic`, `${root}/disk/link`);
  const { existing } = await resolveNearest(`${root}/disk/link/a`, files);
  assert.notEqual(existing, `${root}/disk`);
});

Deno.test("readTextIfAny() gives nothing where a file cannot be read", async () => {
  await using temp = await tempDirectory();
  await Deno.writeTextFile(`${temp.path}/a`, "text");
  assert.equal(await readTextIfAny(`${temp.path}/a`, files), "text");
  assert.equal(await readTextIfAny(`${temp.path}/b`, files), undefined);
  assert.equal(await readTextIfAny(temp.path, files), undefined);
});
