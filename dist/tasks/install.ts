/**
 * `deno task install [--prefix DIR]`: the program, its units, its settings and its manual page on a host.
 *
 * @module
 */
import { bundleProgram, starterText } from "../gokrazy/bundle.ts";
import { findProgram, runCommand } from "../tools/command.ts";
import { outputPath } from "./compile.ts";
import {
  Installer,
  isManaged,
  type Item,
  readRecord,
  runTask,
  type Say,
  unitIs,
} from "./install_files.ts";
import { type Layout, UNITS, withPaths } from "./install_plan.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The program: compiled, where `deno task compile` has made that for this machine, else a bundle and Deno. */
async function programItems(
  { program, library }: Layout,
  folder: string,
  say: Say,
): Promise<Item[]> {
  const compiled = outputPath(ROOT, `${Deno.build.arch}-unknown-linux-gnu`);
  const made = (await Deno.stat(compiled).catch(() => null))?.mtime;
  if (made) {
    say(`the program is ${compiled}, compiled ${made.toISOString()}`);
    return [{ from: compiled, to: program, mode: 0o755 }];
  }
  say(`there is no ${compiled}: bundling the program to one file, with a copy of this Deno`);
  const [deno, bundle] = [`${library}/deno`, `${library}/restic-rest-server.js`];
  await bundleProgram(`${folder}/bundle.js`);
  await Deno.writeTextFile(`${folder}/starter`, starterText(deno, bundle));
  return [
    { from: `${folder}/starter`, to: program, mode: 0o755 },
    { from: `${folder}/bundle.js`, to: bundle, mode: 0o644 },
    { from: Deno.execPath(), to: deno, mode: 0o755 },
  ];
}

/** What is text: units, settings and the manual page, with the paths of the layout. */
async function textItems(layout: Layout, folder: string): Promise<Item[]> {
  const units = UNITS.map((unit) => ({
    from: `systemd/${unit}`,
    to: `${layout.units}/${unit}`,
    mode: 0o644,
  }));
  const texts: Item[] = [
    ...units,
    // MNT_DATA can hold a password.
    { from: "systemd/restic-rest-server.default", to: layout.config, mode: 0o600, config: true },
    { from: "man/restic-rest-server.8", to: layout.manual, mode: 0o644 },
  ];
  return await Promise.all(texts.map(async (item, i) => {
    const text = await Deno.readTextFile(`${ROOT}/dist/${item.from}`);
    const from = `${folder}/text${i}`;
    await Deno.writeTextFile(from, withPaths(text, layout));
    return { ...item, from };
  }));
}

async function install(layout: Layout, say: Say): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "restic-rest-server-install-" });
  try {
    const installer = new Installer(await readRecord(layout), say);
    await installer.makeDirectory(layout.library);
    const items = [
      ...await programItems(layout, folder, say),
      ...await textItems(layout, folder),
    ];
    try {
      for (const item of items) await installer.install(item);
      await installer.removeRest();
    } finally {
      // Also of half an install, so that it can be uninstalled.
      await Deno.writeTextFile(layout.record, `${JSON.stringify(installer.record, null, 2)}\n`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await sayNext(layout, say);
}

async function sayNext(layout: Layout, say: Say): Promise<void> {
  const [unit, hardened] = UNITS;
  if (await findProgram("rest-server") === undefined) {
    say(
      "rest-server is not in PATH: get it from https://github.com/restic/rest-server/releases, " +
        "or name it by MNT_SERVER",
    );
  }
  if (await isManaged(layout)) {
    await runCommand("systemctl", ["daemon-reload"]);
    for (const used of [unit, hardened]) {
      if (!await unitIs("is-active", used)) continue;
      return say(`${used} runs what was there before: systemctl restart ${used}`);
    }
  }
  if (!layout.system) say(`systemd does not look there: systemctl link ${layout.units}/${unit}`);
  say(`next: name the disk in ${layout.config}, then systemctl enable --now ${unit}`);
  say(`${hardened} is the same in a namespace of its own: the host does not see its disk`);
}

if (import.meta.main) Deno.exit(await runTask("install", Deno.args, install));
