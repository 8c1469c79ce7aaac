/** A program that SIGKILL does not end, as a blkid on a disk that hangs. */
import assert from "node:assert/strict";
import { programs } from "../../mod/edges.ts";
import { cgroupLack, group } from "../support/causes.ts";
import { systemTest } from "../support/system.ts";
import { until } from "../support/wait.ts";

const name = "P7: a program that SIGKILL does not end is not started once more while it lasts";
const lack = cgroupLack("freezer", 1);
const descriptors = () => [...Deno.readDirSync("/proc/self/fd")].length;

if (lack !== undefined) Deno.test({ name: `${name} [ignored: ${lack}]`, ignore: true, fn() {} });
else {
  await systemTest([], name, async () => {
    await using cause = new AsyncDisposableStack();
    // In version 1 a frozen process keeps SIGKILL waiting, as one does that is in the kernel.
    const { procs, set } = await group({ cause }, "freezer", 1);
    const freeze = (state: "FROZEN" | "THAWED") => set(["freezer.state", ""], [state, ""]);
    await freeze("FROZEN");
    const never = new AbortController().signal;
    const run = (limitMs: number) =>
      programs.output("/bin/sh", ["-c", `echo $$ > ${procs}; echo done`], limitMs, never);
    const before = descriptors();

    assert.equal((await run(200)).signal, "SIGKILL");
    await assert.rejects(
      run(200),
      /^Error: "\/bin\/sh" \(process \d+\) hangs in the kernel, and SIGKILL does not end it; /,
    );
    // One is left, by which its end is heard.
    await until(() => descriptors() === before + 1, "its pipes closed, though it still has them");

    await freeze("THAWED");
    const isFree = () => run(60_000).then(({ stdout }) => stdout === "done\n", () => false);
    await until(isFree, "the same program started again");
  });
}
