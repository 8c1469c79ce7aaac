/** What is told of the program's phases. */
import assert from "node:assert/strict";
import { Progress, type State } from "../../mod/progress.ts";

function told(): { progress: Progress; states: State[]; at: (ms: number) => void } {
  let nowMs = 0;
  const progress = new Progress(() => nowMs);
  const states: State[] = [];
  progress.listen((state) => states.push(state));
  return { progress, states, at: (ms) => nowMs = ms };
}

Deno.test("a phase keeps its beginning while only its words change", () => {
  const { progress, states, at } = told();
  at(10);
  progress.enter("waiting", "waiting for UUID=x: no such disk");
  at(20);
  progress.enter("waiting", "waiting for UUID=x: two such disks");
  at(30);
  progress.enter("mounting", "mounting", { devices: ["/dev/sda"] });
  const brief = states.map(({ phase, sinceMs, text }) => [phase, sinceMs, text]);
  assert.deepEqual(brief, [
    ["waiting", 10, "waiting for UUID=x: no such disk"],
    ["waiting", 10, "waiting for UUID=x: two such disks"],
    ["mounting", 30, "mounting"],
  ]);
  assert.deepEqual(progress.state.devices, ["/dev/sda"]);
});

Deno.test("a failure is kept through later phases", () => {
  const { progress, at } = told();
  at(5);
  progress.failed("Cannot mount");
  at(6);
  progress.enter("serving", "serving");
  assert.deepEqual(progress.state.failure, { text: "Cannot mount", atMs: 5 });
});

Deno.test("what is secret is in no text, source, device or failure", () => {
  const progress = new Progress(() => 0, (text) => text.replaceAll("top", "***"));
  const source = "//me:top@box/share";
  progress.enter("mounting", `mounting "${source}"`, { source, devices: [source] });
  progress.failed(`Cannot mount "${source}"`);
  assert.doesNotMatch(JSON.stringify(progress.state), /top/);
});
