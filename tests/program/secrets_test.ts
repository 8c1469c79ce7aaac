/** Passwords of a configuration: in no line, no status, no message to systemd, no lock file, no environment. */
import assert from "node:assert/strict";
import { childOf, fakePlace, testWithMount, tmpfsOn } from "../support/fake_server.ts";
import { NotifyReceiver } from "../support/notify_socket.ts";
import { until } from "../support/wait.ts";

const SECRET = "hunter22";

/** Texts of the lock file, which the program has open, and of what lies beside it for the same target. */
async function notes(pid: number, target: string): Promise<Map<string, string>> {
  const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return ""; // Closed meanwhile.
    }
  });
  const lock = links.find((link) => link.endsWith(".lock"))!;
  const directory = lock.slice(0, lock.lastIndexOf("/"));
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.startsWith(encodeURIComponent(target)));
  return new Map(
    await Promise.all(
      names.map(async (name) => [name, await Deno.readTextFile(`${directory}/${name}`)] as const),
    ),
  );
}

for (const format of ["text", "json"]) {
  testWithMount(`MNT_LOG=${format}: the password of a share appears nowhere`, async () => {
    await using place = await fakePlace();
    using manager = new NotifyReceiver(`${place.path}/notify`);
    const disk = tmpfsOn(place);
    const env = {
      ...disk.env,
      // A tmpfs takes any name for a source.
      MNT_SOURCE: `//me:${SECRET}@box/share`,
      MNT_SUORCE: `password=${SECRET}`,
      MNT_LOG: format,
      NOTIFY_SOCKET: manager.name,
    };
    await using wrapper = place.start({ ...disk, env });
    await wrapper.outLine(/^ready$/);
    await wrapper.errLine(/serving /);
    await manager.message(/serving /);
    const texts = await until(async () => {
      const texts = await notes(wrapper.pid, disk.target);
      return [...texts.values()].some((text) => text.includes("box/share")) ? texts : undefined;
    }, "the lock file says what is mounted");
    const environ = await Deno.readTextFile(`/proc/${await childOf(wrapper.pid)}/environ`);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    const shown = {
      stderr: wrapper.errLines.join("\n"),
      systemd: manager.read().map(({ text }) => text).join("\n"),
      ...Object.fromEntries(texts),
    };
    for (const [where, text] of Object.entries({ ...shown, environ })) {
      assert.ok(!text.includes(SECRET), `${where}: ${text}`);
    }
    assert.match(shown.stderr, /\/\/me:\*\*\*@box\/share/);
    assert.match(shown.systemd, /serving .* from "\/\/me:\*\*\*@box\/share"/);
  });
}

Deno.test("the password in a value that cannot be used is not in its error", async () => {
  await using place = await fakePlace();
  const env = {
    MNT_SOURCE: "/dev/sda1",
    MNT_TARGET: `password=${SECRET}`,
    MNT_DATA: `user=me,password=${SECRET},${"x".repeat(5000)}`,
    MNT_OPTIONS: `bind,secret=${SECRET}`,
  };
  await using wrapper = place.start({ env });
  assert.equal(await wrapper.code(), 78);
  const said = wrapper.errLines.join("\n");
  for (const name of ["MNT_TARGET", "MNT_DATA", "MNT_OPTIONS"]) assert.ok(said.includes(name));
  assert.ok(!said.includes(SECRET), said);
});
