/** A second box: what README.md says of `restic copy`, from one served disk to another. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { loopDisk } from "../support/disk.ts";
import { restic, resticRoundTrip } from "../support/restic.ts";
import { place, stopCleanly, systemTest } from "../support/system.ts";

/** Where snapshots are copied from; both repositories have the password of the tests. */
const from = (address: string) => [
  ...["--from-repo", `rest:http://${address}/`],
  ...["--from-password-command", "printenv RESTIC_PASSWORD"],
];

await systemTest(
  [],
  "restic copy fills a second box, append-only, which goes on alone when the first disk is gone",
  async () => {
    await using second = await place();
    await using secondDisk = await loopDisk({ fstype: "ext4" });
    const args = ["--no-auth", "--append-only"];
    await using copyWrapper = second.serve({ source: `UUID=${secondDisk.uuid}`, args });
    const copy = await copyWrapper.listening();
    const source = `${second.directory}/source`;
    {
      await using first = await place();
      await using firstDisk = await loopDisk({ fstype: "ext4" });
      await using wrapper = first.serve({ source: `UUID=${firstDisk.uuid}` });
      const original = await wrapper.listening();
      await resticRoundTrip(original, second.directory);

      await restic(copy, "init", ...from(original), "--copy-chunker-params");
      await restic(copy, "copy", ...from(original));
      assert.match(await restic(copy, "snapshots"), /1 snapshots/);
      await Deno.writeTextFile(`${source}/later`, "later\n");
      await restic(original, "backup", source);
      await restic(copy, "copy", ...from(original));
      await stopCleanly(wrapper, first.target);
    }
    // From here on the first disk is no more, not even its image.
    await restic(copy, "check", "--read-data");
    const json = await restic(copy, "snapshots", "--json");
    assert.equal((JSON.parse(json) as unknown[]).length, 2);
    const restored = `${second.directory}/from-copy`;
    await restic(copy, "restore", "latest", "--target", restored);
    await run("diff", "--recursive", source, `${restored}${source}`);

    // Cut into the same pieces, the same files are there already.
    const said = await restic(copy, "backup", "--json", source);
    const summary = JSON.parse(said.split("\n").at(-1)!) as { data_blobs: number };
    assert.equal(summary.data_blobs, 0, said);
    await stopCleanly(copyWrapper, second.target);
  },
);
