/**
 * `deno task install [--prefix DIR]`: the program, its units, its settings and its manual page on a host.
 *
 * @module
 */
import { bundleProgram, starterText } from "../gokrazy/bundle.ts";
import { DistError, fileDigest } from "../gokrazy/image.ts";
import { CommandError, findProgram, runCommand } from "../tools/command.ts";
import { outputPath } from "./compile.ts";
import {
  type InstallRecord,
  type Layout,
  layoutOf,
  parsePrefix,
  parseRecord,
  stepFor,
  UNITS,
  withPaths,
} from "./install_plan.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const EXIT_USAGE = 64;

/** One file to install. */
interface Item {
  /** Where it is now. */
  readonly from: string;
  readonly to: string;
  readonly mode: number;
  readonly config?: boolean;
}

/** The program: compiled, where `deno task compile` has made that for this machine, else a bundle and Deno. */
async function programItems(
  { program, library }: Layout,
  folder: string,
  say: (line: string) => void,
): Promise<Item[]> {
  const compiled = outputPath(ROOT, `${Deno.build.arch}-`);
  if (await Deno.stat(compiled).catch(() => null) !== null) {
    say(`the program is ${compiled}, from deno task compile`);
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

async function textItems(layout: Layout, folder: string): Promise<Item[]> {
  const items: Item[] = UNITS.map((unit) => ({
    from: `systemd/${unit}`,
    to: `${layout.units}/${unit}`,
    mode: 0o644,
  }));
  // MNT_DATA can hold a password.
  const config = { from: "systemd/restic-rest-server.default", to: layout.config, mode: 0o600 };
  items.push({ ...config, config: true });
  items.push({ from: "man/restic-rest-server.8", to: layout.manual, mode: 0o644 });
  return await Promise.all(items.map(async (item, i) => {
    const text = await Deno.readTextFile(`${ROOT}/dist/${item.from}`);
    await Deno.writeTextFile(`${folder}/text${i}`, withPaths(text, layout));
    return { ...item, from: `${folder}/text${i}` };
  }));
}

async function digestIfAny(path: string): Promise<string | undefined> {
  return await fileDigest(path, "sha256", "hex").catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
}

/** The record of an earlier install; an empty one where there was none. */
export async function readRecord({ record }: Layout): Promise<InstallRecord> {
  try {
    return parseRecord(await Deno.readTextFile(record));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { files: {}, directories: [] };
    throw new DistError(`Cannot use "${record}": ${(error as Error).message}; move it away`);
  }
}

/** Puts files where they belong. */
class Installer {
  readonly #files: Record<string, string>;
  readonly #directories: string[];

  constructor(
    readonly before: InstallRecord,
    readonly say: (line: string) => void,
  ) {
    this.#files = { ...before.files };
    this.#directories = [...before.directories];
  }

  get record(): InstallRecord {
    return { files: this.#files, directories: this.#directories };
  }

  async install({ from, to, mode, config = false }: Item): Promise<void> {
    const wanted = await fileDigest(from, "sha256", "hex");
    const installed = this.before.files[to];
    const step = stepFor({ there: await digestIfAny(to), wanted, installed }, config);
    let target = to;
    if (step === "keep") target = `${to}.new`;
    if (step === "replace") {
      const kept = await freeName(`${to}.old`);
      await Deno.rename(to, kept);
      this.say(`${to}: another one was there; it is ${kept} now`);
    }
    if (step !== "same") await this.#put(from, target, mode);
    this.#files[target] = wanted;
    const words = { new: "new", same: "unchanged", update: "updated", replace: "new" };
    this.say(
      step === "keep"
        ? `${to}: kept, for it was changed; what this version brings is ${target}`
        : `${to}: ${words[step]}`,
    );
  }

  /** Under its name at once and whole, whoever runs the old one. */
  async #put(from: string, to: string, mode: number): Promise<void> {
    await this.makeDirectory(to.slice(0, to.lastIndexOf("/")));
    const temporary = `${to}.part`;
    await Deno.copyFile(from, temporary);
    await Deno.chmod(temporary, mode);
    await Deno.rename(temporary, to);
  }

  async makeDirectory(path: string): Promise<void> {
    if (path === "" || await Deno.stat(path).catch(() => null) !== null) return;
    await this.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    await Deno.mkdir(path, { mode: 0o755 });
    this.#directories.push(path);
  }
}

async function freeName(name: string): Promise<string> {
  for (let i = 1;; i++) {
    const candidate = i === 1 ? name : `${name}${i}`;
    if (await Deno.lstat(candidate).catch(() => null) === null) return candidate;
  }
}

/** Whether a running systemd looks for the units there. */
export async function isManaged({ system }: Layout): Promise<boolean> {
  return system && await Deno.stat("/run/systemd/system").catch(() => null) !== null;
}

async function install(layout: Layout, say: (line: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "restic-rest-server-install-" });
  try {
    const items = [
      ...await programItems(layout, folder, say),
      ...await textItems(layout, folder),
    ];
    const installer = new Installer(await readRecord(layout), say);
    await installer.makeDirectory(layout.library);
    try {
      for (const item of items) await installer.install(item);
    } finally {
      // Also of half an install, so that it can be uninstalled.
      const text = `${JSON.stringify(installer.record, null, 2)}\n`;
      await Deno.writeTextFile(layout.record, text);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function sayNext(layout: Layout, say: (line: string) => void): Promise<void> {
  if (await findProgram("rest-server") === undefined) {
    say("rest-server is not in PATH: install it, or name it by MNT_SERVER");
  }
  if (await isManaged(layout)) {
    await runCommand("systemctl", ["daemon-reload"]);
  } else if (!layout.system) {
    say(`systemd does not look in ${layout.units}: systemctl link ${layout.units}/${UNITS[0]}`);
  }
  say(`next: name the disk in ${layout.config}, then systemctl enable --now ${UNITS[0]}`);
  say(`${UNITS[1]} is the same in a namespace of its own: the host does not see its disk`);
}

/** Runs a task with a prefix, and says its errors in a line each. */
export async function runTask(
  name: string,
  args: readonly string[],
  task: (layout: Layout, say: (line: string) => void) => Promise<void>,
): Promise<number> {
  let layout: Layout;
  try {
    layout = layoutOf(parsePrefix(args));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    console.error(`${error.message}\nUsage: deno task ${name} [--prefix DIR]`);
    return EXIT_USAGE;
  }
  try {
    await task(layout, (line) => console.log(`${name}: ${line}`));
    return 0;
  } catch (error) {
    const ofFile = typeof (error as { code?: unknown } | null)?.code === "string";
    const known = ofFile || error instanceof DistError || error instanceof CommandError;
    if (!known) throw error;
    const denied = error instanceof Deno.errors.PermissionDenied;
    const hint = denied ? "; become root, or give a --prefix of your own" : "";
    console.error(`Cannot ${name}: ${(error as Error).message}${hint}`);
    return 1;
  }
}

if (import.meta.main) {
  Deno.exit(
    await runTask("install", Deno.args, async (layout, say) => {
      await install(layout, say);
      await sayNext(layout, say);
    }),
  );
}
