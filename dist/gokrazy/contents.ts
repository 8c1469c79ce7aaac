/**
 * CONTENTS.txt: what is in the archives of the package, and where it came from.
 *
 * @module
 */
import type { ImageFile, Origin } from "./image.ts";
import type { Program } from "./engine.ts";
import type { Arch } from "./targets.ts";

/** The name of the archive in which gokrazy's tools look for more files. */
export function archiveName(arch: Arch): string {
  return `_gokrazy/extrafiles_${arch}.tar`;
}

function heading(arch: Arch): string {
  return `==== ${archiveName(arch)}`;
}

function originLines({ name, version, licence, made, source }: Origin): string[] {
  return [
    `${name} ${version}`,
    `  licence: ${licence}`,
    ...made.map((line) => `  ${line}`),
    `  source:  ${source}`,
  ];
}

/** Of one archive: its files with mode, size in bytes and SHA-256, then what they came from. */
export function archiveText(
  arch: Arch,
  archive: Pick<ImageFile, "sizeBytes" | "sha256">,
  { engine, note }: Pick<Program, "engine" | "note">,
  files: readonly ImageFile[],
  origins: readonly Origin[],
): string {
  const rows = files.map(({ path, mode, sizeBytes, sha256 }) =>
    `${mode.toString(8).padStart(4, "0")} ${String(sizeBytes).padStart(9)} ${sha256} ${path}`
  );
  return [
    heading(arch),
    `${archive.sizeBytes} bytes, SHA-256 ${archive.sha256}`,
    `engine: ${engine}${note === undefined ? "" : ` (${note})`}`,
    "",
    "mode      size SHA-256                                                          file",
    ...rows,
    "",
    ...origins.flatMap((origin) => [...originLines(origin), ""]),
  ].join("\n");
}

/** The whole file: the archive that was made now, and what it said of the other one, if that is there. */
export function contentsText(
  sections: Readonly<Partial<Record<Arch, string>>>,
): string {
  const intro =
    `What the image gets from this package besides its Go program, and where that came from.
Made by deno task dist; the files of an archive are merged into the root file system by gokrazy's tools.
`;
  const texts = (["arm64", "amd64"] as const).map((arch) => sections[arch]?.trimEnd())
    .filter((text) => text !== undefined);
  return [intro, ...texts].join("\n") + "\n";
}

/** Reads the sections back. */
export function parseContents(text: string): Partial<Record<Arch, string>> {
  const sections: Partial<Record<Arch, string>> = {};
  for (const section of text.split(/^(?=={4} )/m)) {
    const arch = (["arm64", "amd64"] as const).find((arch) => section.startsWith(heading(arch)));
    if (arch !== undefined) sections[arch] = section.trimEnd();
  }
  return sections;
}
