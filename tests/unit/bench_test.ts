/** The bench: what it makes of a kernel's trace, and that figures and tables are made of the results. */
import assert from "node:assert/strict";
import { drawFigures } from "../bench/draw.ts";
import { partsOf } from "../bench/measure_parts.ts";
import { formatResults, readResults, type Results } from "../bench/results.ts";
import { bend, writeTables } from "../bench/tables.ts";
import { parseTrace } from "../bench/trace.ts";
import { assertReadable } from "../support/svg.ts";

/** Lines of a real trace (Linux 6.18), with shorter paths, and with another process in between. */
const SCRIPT = `# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
            deno-9700    [000] ...1. 25989.500000: tracing_mark_write: begin
            deno-9700    [000] ..... 25989.500500: sched_process_fork: comm=deno pid=9700 child_comm=deno child_pid=9785
              sh-9785    [000] ..... 25989.501000: sched_process_exec: filename=/t/x/sh pid=9785 old_pid=9785
           blkid-8000    [001] ..... 25989.502000: sched_process_exec: filename=/usr/sbin/blkid pid=8000 old_pid=8000
              sh-9785    [000] ..... 25989.502046: sched_process_fork: comm=sh pid=9785 child_comm=sh child_pid=9786
           blkid-9786    [000] ..... 25989.503000: sched_process_exec: filename=/usr/sbin/blkid pid=9786 old_pid=9786
           blkid-8000    [001] ..... 25989.504000: sched_process_exit: comm=blkid pid=8000 prio=120 group_dead=true
           blkid-9786    [000] ..... 25989.505500: sched_process_exit: comm=blkid pid=9786 prio=120 group_dead=true
              sh-9785    [000] ..... 25989.505600: sched_process_fork: comm=sh pid=9785 child_comm=sh child_pid=9788
           mount-9788    [000] ..... 25989.506000: sched_process_exec: filename=/usr/bin/mount pid=9788 old_pid=9788
           mount-9788    [000] ..... 25989.507000: sys_mount -> 0xfffffffffffffff0
           mount-9788    [000] ..... 25989.509000: sys_mount -> 0x0
        my-mount-8001    [001] ..... 25989.509500: sys_mount -> 0x0
     rest-server-9785    [000] ..... 25989.510000: sched_process_exec: filename=/t/rest-server pid=9785 old_pid=9785
     rest-server-9785    [000] ..... 25989.511000: sched_process_fork: comm=rest-server pid=9785 child_comm=rest-server child_pid=9790
     rest-server-9790    [000] ..... 25989.514250: sys_listen -> 0x0
`;

const rounded = (values: readonly number[]) => values.map((value) => Number(value.toFixed(3)));

Deno.test("parseTrace() reads the kernel's lines", () => {
  const events = parseTrace(SCRIPT);
  assert.equal(events.length, 16);
  assert.deepEqual(events[10], {
    pid: 9788,
    ms: 25989507,
    name: "sys_mount -> 0xfffffffffffffff0",
    detail: "",
  });
  assert.equal(events[12]!.pid, 8001, "a name with a dash");
  assert.deepEqual(parseTrace("CPU:0 [LOST 12 EVENTS]\n"), []);
});

Deno.test("partsOf() tells the parts of a start, of this process and its children alone", () => {
  const parts = partsOf(parseTrace(SCRIPT), "/t/x/sh", "/t/rest-server");
  assert.deepEqual(rounded(parts), [3, 2.5, 3.5, 1, 4.25]);
});

Deno.test("partsOf() gives no time to what a bare rest-server does without", () => {
  const bare = SCRIPT.split("\n").filter((line) => /begin|9785|9790/.test(line)).join("\n")
    .replace(/.*filename=\/t\/x\/sh.*\n/, "");
  const parts = partsOf(parseTrace(bare), "/t/rest-server", "/opt/rest-server");
  assert.deepEqual(rounded(parts), [10, 0, 0, 0, 4.25]);
});

Deno.test("partsOf() says where a trace shows no start", () => {
  assert.throws(() => partsOf(parseTrace(SCRIPT), "/t/other", "/t/rest-server"), /"\/t\/other"/);
  const cut = SCRIPT.replace(/.*sys_listen.*\n/, "");
  assert.throws(() => partsOf(parseTrace(cut), "/t/x/sh", "/t/rest-server"), /no start of/);
});

Deno.test("bend() is 1 for a straight line, more where it bends up", () => {
  assert.equal(bend([[1, 10], [3, 20], [5, 30]]), 1);
  assert.equal(bend([[0, 0], [1, 0.5], [2, 1], [4, 8]]), 7);
});

const results = await readResults();
const here = new URL("../bench/", import.meta.url);

Deno.test("the results hold every part, and come out as they went in", () => {
  const parts = ["start", "parts", "memory", "waiting", "devices", "mounts", "throughput"];
  assert.deepEqual(Object.keys(results).toSorted(), parts.toSorted());
  assert.deepEqual(JSON.parse(formatResults(results)), results);
  const list: Results = {
    mounts: {
      where: "here",
      figures: [{ count: 1, startMs: [1.23456], scriptMs: [], appearsMs: [2] }],
    },
  };
  assert.match(formatResults(list), /"startMs": \[1\.235\],\n/);
});

Deno.test("the figures and results.md are made of results.json; deno task bench --draw writes them", async () => {
  const files = new Map([...drawFigures(results), ["results.md", writeTables(results)]]);
  assert.equal(files.size, 6);
  for (const [name, text] of files) {
    assert.equal(await Deno.readTextFile(new URL(name, here)), text, name);
  }
});

Deno.test("every word of the figures can be read", () => {
  for (const svg of drawFigures(results).values()) assertReadable(svg);
});

Deno.test("a part that was not measured is not drawn", () => {
  assert.equal(drawFigures({}).size, 0);
  assert.match(writeTables({}), /^# Measured\n/);
});
