/** The units and the manual page, judged by the tools that Debian has for them. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { testWith } from "../support/needs.ts";
import { tempDirectory } from "../support/temp.ts";
import { UNITS } from "../../dist/tasks/install_plan.ts";

const INSTALL = new URL("../../dist/tasks/install.ts", import.meta.url).pathname;

/** Runs systemd's tool on the installed units; gives what it says on both streams. */
async function analyze(args: readonly string[], environment: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
    args: [...args],
    env: { NO_COLOR: "1", SYSTEMD_LOG_TARGET: "console", ...environment },
  }).output();
  return {
    code,
    said: new TextDecoder().decode(stdout),
    complaint: new TextDecoder().decode(stderr),
  };
}

await testWith(
  ["program:systemd-analyze", "program:man"],
  "the units, with their manual page, are what systemd-analyze verify finds nothing in",
  async () => {
    await using temp = await tempDirectory();
    await run(Deno.execPath(), "run", "-A", INSTALL, "--prefix", temp.path);
    const units = UNITS.map((unit) => `${temp.path}/lib/systemd/system/${unit}`);
    const { code, complaint } = await analyze(["verify", "--man=yes", ...units], {
      MANPATH: `${temp.path}/share/man`,
    });
    // It looks at every unit of the machine that these name; only what it says of these counts.
    const about = complaint.split("\n").filter((line) => line.includes("restic-rest-server"));
    assert.deepEqual(about, []);
    assert.equal(code, 0, complaint);
  },
);

await testWith(
  ["program:systemd-analyze"],
  "the hardened unit's exposure is 5.0 at most, and what stays of it is explained in its comments",
  async () => {
    const path = new URL(`../../dist/systemd/${UNITS[1]}`, import.meta.url).pathname;
    const comments = (await Deno.readTextFile(path)).split("\n")
      .filter((line) => line.startsWith("#")).join(" ");
    const security = ["security", "--offline=true", "--threshold=50"];
    assert.equal((await analyze([...security, path])).code, 0);
    const { said } = await analyze([...security, "--json=short", path]);
    const rows: { set: boolean | null; name: string; exposure: string | null }[] = JSON.parse(said);
    const open = rows.filter(({ exposure }) => exposure !== null && Number(exposure) > 0);
    assert.ok(open.length > 5 && open.length < 30, String(open.length));
    for (const { name } of open) {
      // `CapabilityBoundingSet=~CAP_(DAC_*|FOWNER)`, `User=/DynamicUser=`, `SystemCallFilter=~@mount`.
      const [, , value] = /^(\w+)=~(.*)$/.exec(name) ?? [];
      const wanted = value ?? `${name.split("=")[0]}=`;
      assert.match(comments, new RegExp(wanted.replaceAll("*", "\\w*")), name);
    }
  },
);

await testWith(
  ["program:groff", "program:man"],
  "the manual page is free of warnings",
  async () => {
    const page = new URL("../../dist/man/restic-rest-server.8", import.meta.url).pathname;
    const groff = await new Deno.Command("groff", { args: ["-man", "-ww", "-z", "-Tutf8", page] })
      .output();
    assert.equal(new TextDecoder().decode(groff.stderr), "");
    const man = await new Deno.Command("man", {
      args: ["--warnings", "--local-file", page],
      env: { LC_ALL: "C.UTF-8", MANWIDTH: "80" },
    }).output();
    assert.equal(new TextDecoder().decode(man.stderr), "");
    assert.equal(man.code, 0);
    const text = new TextDecoder().decode(man.stdout).replace(/.[\b]/g, "");
    assert.match(text, /^NAME\n +restic-rest-server/m);
    assert.match(await run("lexgrog", page), /restic-rest-server - mount a disk/);
  },
);
