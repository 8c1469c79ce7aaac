/** What is looked at between mount and launch, where it is no common file: pipes, sockets of others. */
import assert from "node:assert/strict";
import { fakePlace, testWithMount, tmpfsOn } from "../support/fake_server.ts";

const LISTEN = ["--listen", "127.0.0.1:0"];

testWithMount(
  "P10: a password file that is a pipe is rest-server's to read, to the last byte",
  async () => {
    await using place = await fakePlace();
    const { prefix, env, target } = tmpfsOn(place);
    const fifo = `${place.path}/secret`;
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    await using wrapper = place.start({
      prefix,
      env,
      args: ["--path", `${target}/restic`, "--htpasswd-file", fifo, ...LISTEN],
    });
    // Nobody writes into the pipe: a program that reads it would wait here for ever.
    await wrapper.outLine(/^ready$/);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
  },
);

testWithMount("a dead socket that cannot be removed is one line, no defect: 78", async () => {
  await using place = await fakePlace();
  const { prefix, env, target } = tmpfsOn(place);
  await Deno.mkdir(`${place.path}/ro`);
  const path = `${place.path}/ro/socket`;
  // Deno removes what it made at the end, but not what was renamed meanwhile.
  const listener = Deno.listen({ transport: "unix", path: `${place.path}/alive` });
  await Deno.rename(`${place.path}/alive`, path);
  listener.close();
  const [unshare, ...flags] = prefix;
  const readOnly = `mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"`;
  await using wrapper = place.start({
    prefix: [unshare!, ...flags, "sh", "-c", readOnly, `${place.path}/ro`],
    env,
    args: ["--no-auth", "--path", `${target}/restic`, "--listen", `unix:${path}`],
  });
  assert.equal(await wrapper.code(), 78, wrapper.errLines.join("\n"));
  await wrapper.errLine(/error: Cannot remove the dead socket ".*": .*; remove it by hand/);
});
