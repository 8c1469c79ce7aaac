/**
 * What is written for apt, and what apt answers.
 *
 * @module
 */
import type { Arch } from "./targets.ts";

/** Debian 12: its versions change no more but for security's sake. */
export const RELEASE = "bookworm";
export const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Where packages come from. */
export interface Sites {
  readonly main: string;
  readonly security: string;
}

export const PUBLIC_SITES: Sites = {
  main: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

/** What apt is asked to tell of the host's own lists: `Debian http://deb.debian.org/debian`. */
export const SITE_FORMAT = "$(LABEL) $(SITE)";

/**
 * The Debian mirrors of this host, from the lines of `apt-get indextargets` in {@linkcode SITE_FORMAT}; the
 * public ones where it has none. A list that was never fetched has no label yet: there the folder tells,
 * which mirrors of Debian keep, but so do others.
 */
export function chooseSites(lines: readonly string[]): Sites {
  const sites = lines.map((line) => /^(.*?) (https?:\S*?)\/*\s*$/.exec(line)).filter((site) =>
    site !== null
  );
  const find = (wanted: string, folder: string) =>
    sites.find(([, label]) => label === wanted)?.[2] ??
      sites.find(([, label, site]) => label!.startsWith("$") && site!.endsWith(folder))?.[2];
  return {
    main: find("Debian", "/debian") ?? PUBLIC_SITES.main,
    security: find("Debian-Security", "/debian-security") ?? PUBLIC_SITES.security,
  };
}

/** sources.list(5): binaries and sources of one release, signed by Debian's own keys. */
export function sourcesText({ main, security }: Sites, arch: Arch): string {
  const suites = [
    `${main} ${RELEASE} main`,
    `${main} ${RELEASE}-updates main`,
    `${security} ${RELEASE}-security main`,
  ];
  return suites.flatMap((suite) => [
    `deb [arch=${arch} target=Packages signed-by=${KEYRING}] ${suite}\n`,
    `deb-src [target=Sources signed-by=${KEYRING}] ${suite}\n`,
  ]).join("");
}

/**
 * apt.conf(5) for a folder of our own. apt reads it after the host's own files, whose proxies stay in force;
 * their hooks, pins and leave to do without signatures do not.
 */
export function configText(folder: string, arch: Arch): string {
  const settings = {
    "Dir::State": `${folder}/state`,
    "Dir::State::status": `${folder}/status`,
    "Dir::Cache": `${folder}/cache`,
    "Dir::Cache::pkgcache": "pkgcache.bin",
    "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
    "Dir::Log": `${folder}/log`,
    "Dir::Etc::sourcelist": `${folder}/sources.list`,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "APT::Architecture": arch,
    "APT::Architectures::": arch,
    // The user _apt cannot write to a folder in somebody's home.
    "APT::Sandbox::User": "root",
    "APT::Get::AllowUnauthenticated": "false",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false",
    "Acquire::AllowDowngradeToInsecureRepositories": "false",
    "Acquire::Languages": "none",
  };
  const cleared = ["APT::Architectures", "APT::Update", "DPkg", "Acquire::Languages"];
  return cleared.map((name) => `#clear ${name};\n`).join("") +
    Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`).join("");
}

/** A binary package as `apt-cache show` tells it. */
export interface BinaryPackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  /** The source package and its version, for whoever wants the source. */
  readonly source: { readonly name: string; readonly version: string };
}

/** Reads `apt-cache show --no-all-versions`: paragraphs of `Field: value`. */
export function parseBinaries(text: string): BinaryPackage[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(paragraph)?.[1];
    const [name, version, sha256] = [field("Package"), field("Version"), field("SHA256")];
    if (name === undefined || version === undefined || sha256 === undefined) return [];
    // `gcc-12`, or with the version in brackets where it is another than the package's own.
    const [, sourceName, sourceVersion] = /^(\S+)(?: \((.*)\))?$/.exec(field("Source") ?? name)!;
    const source = { name: sourceName!, version: sourceVersion ?? version };
    return [{ name, version, sha256, source }];
  });
}

/** The files of a source package: its version, and the SHA-256 of each. */
export interface SourcePackage {
  readonly name: string;
  readonly version: string;
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
}

/** Reads `apt-get source --print-uris`: lines of `'URL' FILE SIZE SHA256:HEX`. */
export function parseSource(name: string, lines: readonly string[]): SourcePackage | undefined {
  const files = lines.flatMap((line) => {
    const [, file, sha256] = /^'[^']*' (\S+) \d+ SHA256:([0-9a-f]{64})$/.exec(line.trim()) ?? [];
    return file === undefined ? [] : [{ name: file, sha256: sha256! }];
  });
  const description = files.find((file) => file.name.endsWith(".dsc"))?.name;
  const version = new RegExp(`^${name}_(.*)\\.dsc$`).exec(description ?? "")?.[1];
  return version === undefined ? undefined : { name, version, files };
}

/** Where Debian keeps every source that it ever published. */
export function snapshotUrl({ name, version }: { name: string; version: string }): string {
  return `https://snapshot.debian.org/package/${name}/${version}/`;
}
