/**
 * The program with a fake rest-server, `fake_server.sh`, that writes down what it was given.
 *
 * @module
 */
import { SIGNALS } from "../../mod/linux.ts";
import { forgetRuns } from "./status.ts";
import { tempDirectory } from "./temp.ts";
import { until } from "./wait.ts";
import { startWrapper, type Wrapper, type WrapperOptions } from "./wrapper.ts";

/** The fake rest-server. */
export const FAKE_SERVER = new URL("fake_server.sh", import.meta.url).pathname;

/** Arguments that keep the program from looking for a password file and for port 8000. */
export const QUIET_ARGS: readonly string[] = ["--no-auth", "--listen", "127.0.0.1:0"];

/** A directory for one test, with the fake's notes in it. */
export interface Place extends AsyncDisposable {
  readonly path: string;
  /** What makes the program run the fake, and the fake write here. */
  readonly env: Readonly<Record<string, string>>;
  /** What each argument of the fake was. */
  args(): Promise<string[]>;
  /** `NAME=value` of the fake's environment, in its order, one character a byte. */
  environment(): Promise<string[]>;
  /** The fake's open descriptors: number and what it leads to. */
  descriptors(): Promise<Map<number, string>>;
  /** The fake's own lines of `/proc/self/status`. */
  status(): Promise<Map<string, string>>;
  /** Whether the fake was started. */
  started(): Promise<boolean>;
  /** Writes an executable script here; gives its path. */
  script(name: string, ...lines: string[]): Promise<string>;
  /** Starts the program with the fake. */
  start(options?: Partial<WrapperOptions>): Wrapper;
}

/** Makes a {@linkcode Place}. */
export async function fakePlace(): Promise<Place> {
  const directory = await tempDirectory();
  const { path } = directory;
  const env = {
    MNT_SERVER: FAKE_SERVER,
    FAKE_DIR: path,
    // The fake writes its notes beside the mount.
    MNT_SANDBOX: "off",
    // A namespace of a user's own has a root that may not write to /run.
    XDG_RUNTIME_DIR: path,
  };
  const pairs = (text: string, separator: string) =>
    text.split("\n").filter((line) => line !== "").map((line) => {
      const end = line.indexOf(separator);
      return [line.slice(0, end), line.slice(end + 1).trim()] as const;
    });
  const noted = (name: string) => Deno.readTextFile(`${path}/${name}`);
  return {
    path,
    env,
    args: async () => (await noted("args")).split("\0").slice(0, -1),
    async environment() {
      const bytes = await Deno.readFile(`${path}/environ`);
      return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("").split("\0")
        .slice(0, -1);
    },
    async descriptors() {
      const numbered = pairs(await noted("fds"), " ").map(([fd, link]) =>
        [Number(fd), link] as const
      );
      // The shell keeps its script open.
      return new Map(numbered.filter(([, link]) => link !== FAKE_SERVER));
    },
    status: async () => new Map(pairs(await noted("status"), ":")),
    started: () => Deno.stat(`${path}/args`).then(() => true, () => false),
    async script(name, ...lines) {
      const file = `${path}/${name}`;
      await Deno.writeTextFile(file, ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });
      return file;
    },
    start: ({ args = QUIET_ARGS, env: more = {}, ...options } = {}) =>
      startWrapper({ ...options, args, env: { ...env, ...more } }),
    async [Symbol.asyncDispose]() {
      await forgetRuns(path, ".status", ".lock");
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Names of the signals that the fake said it got, in order. */
export function gotSignals(wrapper: Wrapper): string[] {
  const names = new Map(Object.entries(SIGNALS).map(([name, number]) => [`got ${number}`, name]));
  return wrapper.outLines.flatMap((line) => names.get(line) ?? []);
}

/** A process that the wrapper has started. */
export async function childOf(pid: number): Promise<number> {
  const children = `/proc/${pid}/task/${pid}/children`;
  return Number(
    await until(
      async () => (await Deno.readTextFile(children)).trim().split(" ")[0],
      `a child of process ${pid}`,
    ),
  );
}

/** Lines of the program's own on stderr. */
export function ownLines(wrapper: Wrapper): string[] {
  return wrapper.errLines.filter((line) => line.includes(" restic-rest-server: "));
}

/** A mount namespace of its own, as root or as any user. */
export const NAMESPACE = ["unshare", "-Urm", "--propagation", "private"];

/** Some machines forbid a user the namespace, others the mount in it. */
async function canMount(): Promise<boolean> {
  const [program, ...args] = [...NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"];
  const { success } = await new Deno.Command(program!, { args, stdout: "null", stderr: "null" })
    .output().catch(() => ({ success: false }));
  return success;
}
const mountsAllowed = await canMount();

/** A test that mounts a tmpfs in a namespace of its own, as root or as any user. */
export function testWithMount(name: string, fn: () => Promise<void>): void {
  if (mountsAllowed) Deno.test(name, fn);
  else Deno.test({ name: `${name} [ignored: needs user namespaces]`, ignore: true, fn });
}
testWithMount.ignore = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: true, fn });

/** What mounts a tmpfs on `mnt` below a place, in a namespace of its own. */
export function tmpfsOn({ path }: Place) {
  const target = `${path}/mnt`;
  return {
    target,
    prefix: NAMESPACE,
    env: { MNT_SOURCE: "tmpfs", MNT_FSTYPE: "tmpfs", MNT_TARGET: target },
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
  };
}

/** Options of a program that waits for a disk that nobody has; `blkid` are the lines of its blkid. */
export async function waiting(
  place: Place,
  { target = `${place.path}/mnt`, blkid = ["exit 2"] }: {
    readonly target?: string;
    readonly blkid?: readonly string[];
  } = {},
) {
  return {
    args: [...QUIET_ARGS, "--path", `${target}/restic`],
    env: {
      MNT_SOURCE: "LABEL=nobody-has-this",
      MNT_TARGET: target,
      MNT_BLKID: await place.script("blkid", ...blkid),
    },
  };
}
