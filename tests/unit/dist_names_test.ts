/** Further instances in the package's folder. */
import assert from "node:assert/strict";
import { putNames } from "../../dist/gokrazy/package.ts";
import { tempDirectory } from "../support/temp.ts";

Deno.test("putNames() gives each name the same program, also those of an earlier run", async () => {
  await using folder = await tempDirectory();
  const { path } = folder;
  await Deno.mkdir(`${path}/_gokrazy`);
  await Deno.writeTextFile(`${path}/main.go`, "package main // first\n");
  await putNames(path, ["photos"]);
  await Deno.writeTextFile(`${path}/main.go`, "package main // second\n");
  await putNames(path, ["nas-2"]);
  for (const name of ["photos", "nas-2"]) {
    assert.equal(await Deno.readTextFile(`${path}/${name}/main.go`), "package main // second\n");
  }
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  assert.deepEqual(names, ["_gokrazy", "main.go", "nas-2", "photos"]);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(`${path}/_gokrazy`)), []);
});
