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
    const write = async (where: "on" | "below", text: string) => {
      const below = await Below.of(directory);
      below.note(target);
      if (where === "on") await run("mount", "-t", "tmpfs", "tmpfs", target);
      await Deno.writeTextFile(`${target}/file`, text);
      return () => below[Symbol.asyncDispose]();
    };
    await (await write("on", "bytes"))();
    await run("umount", target);
    const outside = /written outside the disk[^]*target\/file \(5 bytes, /;
    await assert.rejects(await write("below", "bytes"), outside);
    // Of equal size.
    await assert.rejects(await write("below", "other"), outside);
  },
);
