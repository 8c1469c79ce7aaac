/** A secret that is planted anywhere in a configuration appears nowhere: the real run in a world in memory. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { ConfigError, mergeSettings, parseConfig } from "../../mod/config.ts";
import { ERRNO } from "../../mod/linux.ts";
import { createLog } from "../../mod/log.ts";
import type { Outlet } from "../../mod/log_form.ts";
import { Progress, stateFacts } from "../../mod/progress.ts";
import { run } from "../../mod/run.ts";
import { secretsOf } from "../../mod/secrets.ts";
import { parseServerArgs } from "../../mod/server_args.ts";
import { Signals } from "../../mod/signals.ts";
import { CONFIG } from "../../mod/variables.ts";
import type { World } from "../../mod/world.ts";
import { FakeWorld, TARGET } from "../support/fake_world.ts";

const OUTLETS: readonly Outlet[] = ["plain", "terminal", "colours", "journal"];

/** The name of a share has no blanks. */
const ODD = fc.string({
  minLength: 1,
  maxLength: 12,
  unit: fc.constantFrom(..."aZ9@:/,=|;'\\$&*é"),
});
const SECRET = ODD.map((text) => `Zx${text}xZ`);

/** The forms that a text can have where it is shown. */
function assertHidden(secret: string, shown: string, where: string): void {
  for (const form of [secret, JSON.stringify(secret).slice(1, -1)]) {
    assert.ok(!shown.includes(form), `${where}: ${shown}`);
  }
}

/** A log in each form at once, and all that it wrote. */
function logs(secrets: readonly string[], clock: World["clock"]) {
  let text = "";
  const write = (bytes: Uint8Array) => {
    text += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  };
  const all = OUTLETS.flatMap((outlet) =>
    (["text", "json"] as const).map((format) => {
      const log = createLog(write, clock, outlet);
      log.setFormat(format);
      log.hide(secrets);
      return log;
    })
  );
  const log: World["log"] = {
    info: (message, facts) => all.forEach((log) => log.info(message, facts)),
    warn: (message, facts) => all.forEach((log) => log.warn(message, facts)),
    error: (message, facts) => all.forEach((log) => log.error(message, facts)),
  };
  return {
    log,
    all,
    async written() {
      await Promise.all(all.map((log) => log.flush(0)));
      return text;
    },
  };
}

Deno.test("a secret of the source, of the data or of the options is in no line, state, plan or lock file", async () => {
  await fc.assert(
    fc.asyncProperty(
      SECRET,
      SECRET,
      SECRET,
      fc.constantFrom("//", "smb://", ""),
      async (...[inSource, inData, inOptions, scheme]) => {
        const source = scheme === ""
          ? `me:${inSource}@box:/share`
          : `${scheme}me:${inSource}@box/share`;
        const variables = {
          MNT_SOURCE: source,
          MNT_TARGET: TARGET,
          MNT_FSTYPE: "ext4",
          MNT_DATA: `user=me,password=${inData.replaceAll(",", ",,")},vers=3`,
          MNT_OPTIONS: `noatime,secretfile="${inOptions}"`,
        };
        const args = ["--path", `${TARGET}/restic`, "--no-auth"];
        const fake = new FakeWorld();
        fake.plug({ path: source, minor: 1, uuid: "wanted", label: "x" });
        const real = fake.world("gokrazy");
        const { log, all, written } = logs(
          secretsOf(Object.entries(variables), args),
          real.clock,
        );
        const states: unknown[] = [];
        const plans: unknown[] = [];
        const progress = new Progress(() => fake.nowMs, all[0]!.shown);
        progress.listen((state) => {
          states.push(state.text, state.failure, state.source);
          for (const log of all) log.note(stateFacts(state));
        });
        const kernel = `3,1,1,-;CIFS: bad option "password=${inData}" of ${source}, ${inOptions}\n`;
        const locks = new Set<string>();
        const world: World = {
          ...real,
          log,
          progress,
          openKernelLog: () => ({ read: () => [kernel], close: () => {} }),
          launcher: {
            start: (args) => {
              const waiting = real.launcher.start(args);
              return {
                ...waiting,
                launch: (plan, fd) => (plans.push(plan), waiting.launch(plan, fd)),
              };
            },
          },
        };
        fake.mountErrors.push(ERRNO.EINVAL, ERRNO.EIO);
        const signals = new Signals();
        const config = parseConfig(mergeSettings(variables), parseServerArgs(args), "/");
        const ended = run({ config, args, directory: "/", signals, world });
        for (let i = 0; i < 30; i++) {
          await fake.advance(1000);
          locks.add(fake.lock ?? "");
        }
        assert.ok(fake.liveServer !== undefined, "it serves");
        fake.busy = 1000;
        signals.take("SIGTERM", 0);
        await fake.advance(60_000);
        await ended;
        const said = await written();
        assert.ok(
          said.includes("EINVAL") && said.includes("mounted") && said.includes("***"),
          said,
        );
        for (const secret of [inSource, inData, inOptions]) {
          assertHidden(secret, said, "log");
          assertHidden(secret, JSON.stringify(states), "state");
          assertHidden(secret, JSON.stringify(plans), "plan");
          assertHidden(secret, [...locks].join("\n"), "lock file");
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** A value that holds a secret as a person may put it into any variable, also a wrong one. */
const VALUES: readonly ((secret: string) => string)[] = [
  (secret) => `//me:${secret}@box/share`,
  (secret) => `x,password="${secret}"`,
  (secret) => `${"x".repeat(180)} credentials='${secret}'`,
  (secret) => `${"/x".repeat(90)}//me:${secret}@box/${"y".repeat(50)}`,
];

Deno.test("an error that quotes a value hides what is secret in it, wherever it was put", async () => {
  const names = Object.keys(CONFIG).concat("MNT_SUORCE");
  const world = new FakeWorld().world("host");
  let refused = 0;
  for (const secret of ["hunter22", "p@ss:w/rd", "a,b,c,d", "back\\slash"]) {
    for (const name of names) {
      for (const value of VALUES) {
        for (const others of [{}, { MNT_SOURCE: "/dev/sda1", MNT_TARGET: "/mnt" }]) {
          const variables = { ...others, [name]: value(secret) };
          const args = ["--path", `/x/${value(secret)}`];
          const { log, written } = logs(
            secretsOf(Object.entries(variables), args),
            world.clock,
          );
          try {
            const config = parseConfig(mergeSettings(variables), parseServerArgs(args), "/");
            for (const warning of config.warnings) log.warn(warning, { event: "config-warning" });
          } catch (error) {
            if (!(error instanceof ConfigError)) throw error;
            refused++;
            for (const problem of error.problems) log.error(problem, { event: "failed" });
          }
          const said = await written();
          assertHidden(secret, said, `${name}=${value(secret)}`);
          // Nor the beginning of one that was cut.
          assert.ok(!said.includes(secret.slice(0, 5)), said);
        }
      }
    }
  }
  assert.ok(refused > 100, `${refused}`);
});
