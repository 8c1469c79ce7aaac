/** The look below a mount that each of these tests takes at its end. */
import assert from "node:assert/strict";
import { Below } from "../support/below.ts";
import { run } from "../support/command.ts";
import { systemTest } from "../support/system.ts";
import { tempDirectory } from "../support/temp.ts";

await systemTest(
  [],
  "what is written below a mount is found, what is written on it is not",
  async () => {
    await using temporary = await tempDirectory();
    const directory = await Deno.realPath(temporary.path);
    const target = `${directory}/target`;
    await Deno.mkdir(target);
    for (const where of ["on", "below"]) {
      const below = await Below.of(directory);
      below.note(target);
      if (where === "on") await run("mount", "-t", "tmpfs", "tmpfs", target);
      await Deno.writeTextFile(`${target}/${where}`, "bytes");
      const found = below[Symbol.asyncDispose]();
      if (where === "on") {
        await found;
        await run("umount", target);
      } else {
        await assert.rejects(found, /written outside the disk[^]*target\/below \(5 bytes\)/);
      }
    }
  },
);
