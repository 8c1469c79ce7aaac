/** The launcher that is started ahead of time: one at most, and a live one. */
import assert from "node:assert/strict";
import { Ahead } from "../../mod/ahead.ts";
import type { WaitingLauncher } from "../../mod/launch.ts";
import { worldOf } from "./fake_parts.ts";

/** Launchers that only count. */
function launchers() {
  const started: (WaitingLauncher & { ended: boolean; dismissed: number })[] = [];
  const start = () => {
    const launcher = {
      pid: 0,
      ended: false,
      dismissed: 0,
      launch: () => assert.fail("nothing is launched here"),
      dismiss() {
        this.dismissed++;
        return Promise.resolve();
      },
    };
    started.push(launcher);
    return launcher;
  };
  return { started, ahead: new Ahead([], null, worldOf({ launcher: { start } })) };
}

Deno.test("begin() starts one launcher, however often, and take() gives that one", () => {
  const { started, ahead } = launchers();
  ahead.begin();
  ahead.begin();
  assert.equal(started.length, 1);
  assert.equal(ahead.take(), started[0]);
  // It is somebody else's now.
  assert.equal(ahead.take(), started[1]);
});

Deno.test("a launcher that ended while it waited is reaped, and another one taken", () => {
  const { started, ahead } = launchers();
  ahead.begin();
  started[0]!.ended = true;
  assert.equal(ahead.take(), started[1]);
  assert.equal(started[0]!.dismissed, 1);
});

Deno.test("dismiss() and the end of the block end what waits, once", async () => {
  const { started, ahead } = launchers();
  {
    await using _ = ahead;
    await ahead.dismiss();
    ahead.begin();
    await ahead.dismiss();
    ahead.begin();
  }
  assert.deepEqual(started.map(({ dismissed }) => dismissed), [1, 1]);
});
