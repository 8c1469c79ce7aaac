/**
 * The kernel's source as Debian packs it, by apt with its signature check.
 *
 * @module
 */
import { Apt } from "../gokrazy/apt.ts";
import { RELEASE } from "../gokrazy/apt_text.ts";
import type { Step } from "./build.ts";

/** Debian 12's kernel, with Debian's fixes. It is the same for all architectures. */
export const SOURCE_PACKAGE = "linux-source-6.1";

/** The source that Debian has now. */
export interface Source {
  readonly version: string;
  /** SHA-256 of the package file, in hex. */
  readonly sha256: string;
  /** Downloads the package file into a folder; gives its path. */
  fetch(folder: string): Promise<string>;
}

/** Finds the newest version. @throws {DistError} on a host without apt or without Debian's keys. */
export async function findSource({ progress }: Step): Promise<Source> {
  const { apt, binary } = await Apt.openFor(SOURCE_PACKAGE, "arm64", progress);
  return {
    version: binary.version,
    sha256: binary.sha256,
    async fetch(folder) {
      progress(`fetching ${SOURCE_PACKAGE} ${binary.version} from Debian ${RELEASE}, 140 MB`);
      return (await apt.download([binary], folder))[0]!;
    },
  };
}
