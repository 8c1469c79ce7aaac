/** Where lock files are kept when /run cannot be written to. */
import assert from "node:assert/strict";
import { loopDisk } from "../support/disk.ts";
import { place, systemTest } from "../support/system.ts";

await systemTest(
  [],
  "a lock directory in /tmp that somebody else made is never written to: 78",
  async () => {
    await using disk = await loopDisk({ fstype: "ext4" });
    await using where = await place();
    const trap = "/tmp/restic-rest-server-0";
    await Deno.mkdir(trap);
    try {
      await Deno.chown(trap, 2000, 2000);
      await Deno.writeTextFile(`${where.directory}/precious`, "precious");
      await Deno.symlink(
        `${where.directory}/precious`,
        `${trap}/${encodeURIComponent(where.target)}.lock`,
      );
      await using wrapper = where.serve({
        source: disk.path,
        prefix: ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro run /run && exec "$@"', "sh"],
        env: { XDG_RUNTIME_DIR: "" },
      });
      assert.equal(await wrapper.code(), 78);
      await wrapper.errLine(/Cannot keep lock files: .*; set XDG_RUNTIME_DIR/);
      assert.equal(await Deno.readTextFile(`${where.directory}/precious`), "precious");
    } finally {
      await Deno.remove(trap, { recursive: true });
    }
  },
);
