/**
 * The arguments of `deno task dist`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type Arch, TARGETS } from "./targets.ts";

export type Engine = "compile" | "script";

export interface DistOptions {
  readonly arch: Arch;
  /** Undefined: compile where its runtime can be had, else script. */
  readonly engine: Engine | undefined;
  /** A static blkid, instead of Debian's. */
  readonly blkid: string | undefined;
  /** A folder with the loader and the libraries, instead of Debian's. */
  readonly glibc: string | undefined;
  /** Further instances on the same system, each a package of its own in the folder. */
  readonly names: readonly string[];
}

export const USAGE =
  "Usage: deno task dist [--arch arm64|amd64] [--engine compile|script] [--blkid FILE] [--glibc DIR] [--name NAME]...";

/** A name of a package that is also that of a service, `/user/NAME`: lower case, and nobody else's. */
const NAME = /^(?!restic-rest-server$|rest-server$)[a-z][a-z0-9-]*$/;

/** @throws {SyntaxError} that says what is wrong, where the usage line is the answer. */
export function parseDistArgs(args: readonly string[]): DistOptions {
  const string = { type: "string" } as const;
  let values;
  try {
    const name = { type: "string", multiple: true } as const;
    const options = { arch: string, engine: string, blkid: string, glibc: string, name };
    ({ values } = parseArgs({ args: [...args], options, allowPositionals: false }));
  } catch (error) {
    throw new SyntaxError((error as Error).message.split(". ")[0]!);
  }
  const { arch = "arm64", engine, blkid, glibc, name: names = [] } = values;
  if (!Object.hasOwn(TARGETS, arch)) throw new SyntaxError(`Cannot make a package for "${arch}"`);
  if (engine !== undefined && engine !== "compile" && engine !== "script") {
    throw new SyntaxError(`Cannot use the engine "${engine}"`);
  }
  for (const [name, value] of Object.entries({ blkid, glibc })) {
    if (value === "") throw new SyntaxError(`--${name} takes a path`);
  }
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) {
    throw new SyntaxError(
      `Cannot use --name "${wrong}": it takes lower-case letters, digits and "-", and is not the name ` +
        "of another program",
    );
  }
  return { arch: arch as Arch, engine, blkid, glibc, names };
}
