/** What is read from the output of `deno test`. */
import assert from "node:assert/strict";
import { readCounts, readFaults } from "../support/report.ts";

/** Of a run of Deno 2.9.5: one test ran for more than a minute, one failed, one printed something. */
const OUTPUT = `running 6 tests from ./tests/system/faults_test.ts
fault: blkid slow: given up ... ok (30s)
fault: no memory: killed [ignored: needs the cgroup controller memory] ... ignored (0ms)
fault: a disk that hangs ...'fault: a disk that hangs' has been running for over (1m0s)
'fault: a disk that hangs' has been running for over (2m0s)
 ok (2m12s)
fault: loud ...
------- output -------
fault: no row
----- output end -----
fault: loud ... ok (3ms)
fault: pulled ... FAILED (2s)
another test ... ok (1ms)

 ERRORS 

fault: pulled => ./tests/support/needs.ts:37:8
error: Error: fault: pulled ... is lost

FAILED | 4 passed | 1 failed | 1 ignored (3m)
`;

Deno.test("the rows of the fault table are counted among the tests of a run, each once", () => {
  assert.deepEqual(readFaults(OUTPUT), { passed: 3, failed: 1, ignored: 1 });
  assert.deepEqual(readCounts(OUTPUT, 1), { passed: 4, failed: 1, ignored: 1 });
  assert.deepEqual(readFaults("running 0 tests"), { passed: 0, failed: 0, ignored: 0 });
});

Deno.test("a run that closed on no counts, or failed beside its tests, is a failure", () => {
  assert.deepEqual(readCounts("error: no such file", 1), { passed: 0, failed: 1, ignored: 0 });
  const leaked = "ok | 2 passed | 0 failed (1s)\n";
  assert.deepEqual(readCounts(leaked, 1), { passed: 2, failed: 1, ignored: 0 });
  assert.deepEqual(readCounts(leaked, 0), { passed: 2, failed: 0, ignored: 0 });
});
