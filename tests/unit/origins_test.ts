import assert from "node:assert/strict";
import { mergeSettings } from "../../mod/config.ts";
import { quote, shownArguments, shownSettings } from "../../mod/origins.ts";
import { CONFIG } from "../../mod/variables.ts";

Deno.test("shownSettings() shows every variable, its value, and where it is from", () => {
  const settings = mergeSettings(
    { MNT_WAIT: "3", MNT_STOP: "", MNT_TYPO: "x", PATH: "/bin", MNT_DATA: "a,password=geheim" },
    { path: "/c/env.txt", variables: { MNT_WAIT: "1", MNT_USER: "1:1", OTHER: "x" } },
  );
  const shown = new Map(shownSettings(settings).map(({ name, ...rest }) => [name, rest]));
  assert.deepEqual([...shown.keys()], [...Object.keys(CONFIG), "MNT_TYPO"]);
  const file = null;
  assert.deepEqual(shown.get("MNT_WAIT"), { value: "3", origin: "environment", file });
  assert.deepEqual(shown.get("MNT_STOP"), { value: "60", origin: "default", file });
  assert.deepEqual(shown.get("MNT_USER"), { value: "1:1", origin: "file", file: "/c/env.txt" });
  assert.deepEqual(shown.get("MNT_TYPO"), { value: "x", origin: "environment", file });
  assert.equal(shown.get("MNT_DATA")!.value, "a,password=***");
});

Deno.test("shownArguments() has those of the file first", () => {
  const files = { flagsPath: "/c/flags.txt", args: ["--path", "/a"] };
  assert.deepEqual(shownArguments(files, ["--debug"]), [
    { value: "--path", origin: "file", file: "/c/flags.txt" },
    { value: "/a", origin: "file", file: "/c/flags.txt" },
    { value: "--debug", origin: "command line", file: null },
  ]);
  assert.deepEqual(shownArguments(undefined, []), []);
});

Deno.test("quote() gives words that a shell takes as they are", async () => {
  const words = ["", "plain", "/dev/sda1", "a b", "it's", "$HOME", "a*", "!", "rw,subvol=x", "ü"];
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `printf '%s\\n' ${words.map(quote).join(" ")}`],
  }).output();
  assert.deepEqual(new TextDecoder().decode(stdout).split("\n").slice(0, -1), words);
});
