/** Parts that are kept from run to run. */
import assert from "node:assert/strict";
import { keptPart } from "../../dist/gokrazy/cache.ts";
import { tempDirectory } from "../support/temp.ts";

const ORIGIN = { name: "x", version: "1", licence: "MIT", made: [], source: "here" };

/** Asks for a part, with what was said and how often it was made. */
function partIn(cache: string) {
  const said: string[] = [];
  let made = 0;
  const ask = (ingredients = ["a"], make = write) =>
    keptPart("thing", ingredients, (line) => said.push(line), make, cache);
  async function write(folder: string) {
    made++;
    await Deno.writeTextFile(`${folder}/file`, "contents");
    return { files: [{ name: "file", path: "/bin/x", mode: 0o755 }], origins: [ORIGIN] };
  }
  return { said, ask, made: () => made };
}

async function names(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();
}

Deno.test("keptPart() makes a part once, and tells the same of it the second time", async () => {
  await using cache = await tempDirectory();
  const { said, ask, made } = partIn(cache.path);
  const first = await ask();
  const second = await ask();
  assert.deepEqual(second, first);
  assert.equal(made(), 1);
  assert.deepEqual(said, ["thing: kept from an earlier run, 1 kB"]);
  assert.equal(await Deno.readTextFile(second.files[0]!.local), "contents");
});

Deno.test("keptPart() makes another part of other things", async () => {
  await using cache = await tempDirectory();
  const { ask, made } = partIn(cache.path);
  const [one, other] = [await ask(["a", "b"]), await ask(["ab"])];
  assert.equal(made(), 2);
  assert.notEqual(one.files[0]!.local, other.files[0]!.local);
});

Deno.test("keptPart() makes a part anew whose file was changed or is gone, and says so", async () => {
  await using cache = await tempDirectory();
  const { said, ask, made } = partIn(cache.path);
  const { files: [file] } = await ask();
  await Deno.writeTextFile(file!.local, "Contents");
  await ask();
  assert.equal(await Deno.readTextFile(file!.local), "contents");
  await Deno.remove(file!.local);
  await ask();
  assert.equal(made(), 3);
  assert.match(said[0]!, /is not what was kept there/);
});

Deno.test("keptPart() keeps nothing of a part that failed", async () => {
  await using cache = await tempDirectory();
  const { ask } = partIn(cache.path);
  const fails = async (folder: string): Promise<never> => {
    await Deno.writeTextFile(`${folder}/half`, "");
    throw new Error("no");
  };
  await assert.rejects(ask(["a"], fails), /no/);
  assert.deepEqual(await names(`${cache.path}/thing`), ["lock"]);
  await ask();
});

Deno.test("keptPart() removes what a killed run left", async () => {
  await using cache = await tempDirectory();
  await Deno.mkdir(`${cache.path}/thing/1234.tmp/deep`, { recursive: true });
  await partIn(cache.path).ask();
  assert.equal(
    (await names(`${cache.path}/thing`)).filter((name) => name.endsWith(".tmp")).length,
    0,
  );
});

Deno.test("keptPart() of two runs at once makes a part once", async () => {
  await using cache = await tempDirectory();
  const { ask, made } = partIn(cache.path);
  const [one, other] = await Promise.all([ask(), ask()]);
  assert.deepEqual(one, other);
  assert.equal(made(), 1);
});
