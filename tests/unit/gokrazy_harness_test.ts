/** What the gokrazy tests and their benchmark read and write as text. */
import assert from "node:assert/strict";
import { parseStart } from "../bench/measure_guest.ts";
import {
  completeConfig,
  firstPartitionGuid,
  type ImageSpec,
  moduleName,
  renameModule,
  SERVER_PACKAGE,
} from "../gokrazy/support/instance.ts";
import { KERNELS } from "../gokrazy/support/kernels.ts";
import { parseForwards } from "../gokrazy/support/qmp.ts";
import { formatRuns, parseResults, replaceSection } from "../gokrazy/support/record.ts";
import { diskService } from "../gokrazy/support/services.ts";
import { WebInterface } from "../gokrazy/support/web.ts";

Deno.test("parseForwards() finds the host's port of each guest port, in what QEMU 7.2 prints", () => {
  const text = `Hub -1 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   17       127.0.0.1 46402       10.0.2.15    80     0     0
  TCP[HOST_FORWARD]  14       127.0.0.1 46401       10.0.2.15    80     0     0
  TCP[HOST_FORWARD]  13       127.0.0.1 35029       10.0.2.15  8099     0     0
`;
  assert.deepEqual([...parseForwards(text)], [[80, 46401], [8099, 35029]]);
});

Deno.test("firstPartitionGuid() reads the GUID as the kernel's command line takes it", () => {
  const image = new Uint8Array(4096);
  // From an image of gok's, whose cmdline.txt says 60c24cc1-f3f9-427a-8199-afd071e50001.
  image.set(Uint8Array.fromHex("c14cc260f9f37a428199afd071e50001"), 1024 + 16);
  assert.equal(firstPartitionGuid(image), "60c24cc1-f3f9-427a-8199-afd071e50001");
});

Deno.test("a go.mod keeps all but its name", () => {
  const goMod = "// module not/this\nmodule restic-rest-server\n\ngo 1.21\n";
  assert.equal(moduleName(goMod), "restic-rest-server");
  assert.equal(renameModule(goMod, "x/y"), "// module not/this\nmodule x/y\n\ngo 1.21\n");
  assert.throws(() => moduleName("go 1.21\n"), SyntaxError);
});

Deno.test("completeConfig() keeps what gok wrote and gives each service its environment", () => {
  const spec: ImageSpec = {
    name: "test",
    kernel: KERNELS.arm64,
    engine: "script",
    services: [diskService("backup", 8000, { MNT_SOURCE: "LABEL=a b" })],
  };
  const written = {
    Hostname: "test",
    Packages: ["one"],
    PackageConfig: { one: { DontStart: true } },
  };
  const config = JSON.parse(completeConfig(JSON.stringify(written), spec, "restic-rest-server"));
  assert.equal(config.Hostname, "test");
  assert.deepEqual(config.Packages, ["one", "github.com/gokrazy/serial-busybox", SERVER_PACKAGE]);
  assert.deepEqual(config.PackageConfig["restic-rest-server/backup"], {
    Environment: ["MNT_TARGET=/perm/backup", "MNT_SOURCE=LABEL=a b"],
    CommandLineFlags: ["--no-auth", "--listen=:8000", "--path=/perm/backup/restic"],
    DontStart: true,
  });
  assert.deepEqual(config.PackageConfig.one, { DontStart: true });
  assert.deepEqual(config.PackageConfig["restic-rest-server"], { DontStart: true });
  assert.equal(config.FirmwarePackage, "");
});

Deno.test("parseResults() reads names with and without output, failures and what was ignored", () => {
  const output = `running 4 tests from ./tests/gokrazy/ext4_test.ts
boots ...
------- output -------
gokrazy: 54 s: boots
----- output end -----
boots ... ok (53s)
is late ... FAILED (1m3s)
the wrapper ...'the wrapper' has been running for over (1m0s)
------- output -------
gokrazy: 66 s: the wrapper
----- output end -----
the wrapper ... ok (1m6s)
needs [ignored: needs go] ... ignored (0ms)
FAILED | 2 passed | 1 failed | 1 ignored (2m)
`;
  const results = parseResults(output);
  assert.deepEqual(results, [
    { name: "boots", result: "ok", time: "53s" },
    { name: "is late", result: "FAILED", time: "1m3s" },
    { name: "the wrapper", result: "ok", time: "1m6s" },
    { name: "needs [ignored: needs go]", result: "ignored", time: "0ms" },
  ]);
  assert.equal(
    formatRuns([results.slice(0, 2), results.slice(0, 1)]),
    "| scenario | run 1 | run 2 |\n| --- | --- | --- |\n" +
      "| boots | ok 53s | ok 53s |\n| is late | FAILED 1m3s | - |",
  );
});

Deno.test("replaceSection() leaves the other sections as they are", () => {
  const first = replaceSection("", "One", "old\n");
  const both = replaceSection(first, "Two", "two");
  assert.equal(replaceSection(both, "One", "new"), both.replace("old", "new"));
  assert.match(both, /^# .*\n\n## One\n\nold\n\n## Two\n\ntwo\n$/);
});

Deno.test("parseStart() takes the time and the memory of each process", () => {
  const output = `time 12.34 12.90
memory /usr/local/bin/deno Rss: 38000 kB Pss: 37000 kB
memory /user/rest-server Rss: 13000 kB Pss: 12000 kB
Terminated`;
  const { seconds, memory } = parseStart(output);
  assert.equal(seconds.toFixed(2), "0.56");
  assert.deepEqual(memory.get("/user/rest-server"), { rssKb: 13000, pssKb: 12000 });
  assert.equal(memory.size, 2);
  assert.throws(() => parseStart("Cannot find UUID=..."), SyntaxError);
});

Deno.test("a followed log that falls silent ends at its limit, with what it said", async () => {
  const silent = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode("one\ntwo\n")),
      }),
    );
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, silent);
  const web = new WebInterface(`http://127.0.0.1:${server.addr.port}`, "any");
  assert.deepEqual(await web.log("backup", /two/), ["one", "two"]);
  await assert.rejects(
    web.log("backup", /three/, { limitMs: 200 }),
    /1 lines \/three\/ of backup within 200 ms; it said:\none\ntwo/,
  );
});
