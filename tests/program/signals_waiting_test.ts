/** What each signal does while there is no rest-server yet: waiting for the disk, and mounting it. */
import assert from "node:assert/strict";
import { FORWARDED_SIGNALS } from "../../mod/signals.ts";
import {
  fakePlace,
  ownLines,
  type Place,
  testWithMount,
  tmpfsOn,
  waiting,
} from "../support/fake_server.ts";
import { until } from "../support/wait.ts";
import type { WrapperOptions } from "../support/wrapper.ts";

/** The kernel refuses the option each time. */
function mounting(place: Place): Partial<WrapperOptions> {
  const disk = tmpfsOn(place);
  return { ...disk, env: { ...disk.env, MNT_DATA: "no_such_option=1" } };
}

const PHASES = [
  {
    phase: "waiting",
    test: Deno.test,
    options: waiting,
    line: /waiting for LABEL=nobody-has-this/,
  },
  {
    phase: "mounting",
    test: testWithMount,
    options: mounting,
    line: /Cannot mount .*trying again/,
  },
] as const;
const alone = (what: string) =>
  FORWARDED_SIGNALS.filter((row) => row.alone === what).map(({ name }) => name);

for (const { phase, test, options, line } of PHASES) {
  for (const name of alone("stop")) {
    test(`${phase}: ${name} ends it at once with 0, and rest-server is never started`, async () => {
      await using place = await fakePlace();
      await using wrapper = place.start(await options(place));
      await wrapper.errLine(line);
      wrapper.signal(name as Deno.Signal);
      assert.equal(await wrapper.code(), 0);
      assert.match(
        wrapper.errLines.at(-1)!,
        new RegExp(`: ${name}: stopped; rest-server was not running`),
      );
      assert.equal(await place.started(), false);
    });
  }

  test(`${phase}: the signals that only rest-server understands do nothing`, async () => {
    await using place = await fakePlace();
    await using wrapper = place.start(await options(place));
    await wrapper.errLine(line);
    const names = alone("nothing");
    for (const name of names) wrapper.signal(name as Deno.Signal);
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    assert.match(ownLines(wrapper).at(-1)!, /: SIGTERM: stopped; rest-server was not running$/);
    assert.equal(await place.started(), false);
  });
}

Deno.test({
  name: "P7: SIGTERM ends it at once while blkid hangs on a disk, too",
  async fn() {
    await using place = await fakePlace();
    const MNT_BLKID = await place.script("hanging", `: >${place.path}/asked; exec sleep 20`);
    const disk = await waiting(place);
    await using wrapper = place.start({ ...disk, env: { ...disk.env, MNT_BLKID } });
    await until(() => Deno.stat(`${place.path}/asked`).catch(() => null), "a question to blkid");
    const startMs = performance.now();
    wrapper.signal("SIGTERM");
    assert.equal(await wrapper.code(), 0);
    assert.ok(performance.now() - startMs < 10_000, "it waited for blkid");
  },
});
