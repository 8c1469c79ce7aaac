/**
 * Where each value of the configuration comes from.
 *
 * @module
 */
import type { Settings } from "./config.ts";
import { maskSecrets } from "./secrets.ts";
import { CONFIG } from "./variables.ts";

/** A variable with the value that holds. */
export interface ShownSetting {
  readonly name: string;
  /** Secrets masked; of a default, as the help has it. */
  readonly value: string;
  readonly origin: "environment" | "file" | "default";
  readonly file: string | null;
}

/** An argument of rest-server. */
export interface ShownArgument {
  readonly value: string;
  readonly origin: "command line" | "file";
  readonly file: string | null;
}

/** Every variable of the table and every other `MNT_*` that is set; an empty value counts as unset. */
export function shownSettings(settings: Settings): ShownSetting[] {
  const unknown = [...settings.keys()].filter((name) => !Object.hasOwn(CONFIG, name));
  const known = Object.entries(CONFIG).map(([name, { fallback }]) => ({ name, fallback }));
  return [...known, ...unknown.map((name) => ({ name, fallback: "empty" }))].map(
    ({ name, fallback }) => {
      const { value, file } = settings.get(name) ?? { value: "" };
      if (value === "") return { name, value: fallback, origin: "default", file: null };
      const shown = name === "MNT_SOURCE" || name === "MNT_TARGET" ? value : maskSecrets(value);
      const origin = file === undefined ? "environment" : "file";
      return { name, value: shown, origin, file: file ?? null };
    },
  );
}

/** rest-server's arguments: those of `flags.txt`, then those of the command line. */
export function shownArguments(
  files: { readonly flagsPath: string; readonly args: readonly string[] } | undefined,
  given: readonly string[],
): ShownArgument[] {
  return [
    ...(files?.args ?? []).map((value): ShownArgument => ({
      ...{ value, origin: "file", file: files!.flagsPath },
    })),
    ...given.map((value): ShownArgument => ({ value, origin: "command line", file: null })),
  ];
}

/** A word as a shell takes it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
