/**
 * What a look at the disks found.
 *
 * @module
 */

/** A source that can be mounted now. */
export interface FoundSource {
  /** The source of mount(2). */
  readonly source: string;
  readonly fstype: string;
  /** What blkid says is on it; `undefined` where it was not asked. */
  readonly blkidType: string | undefined;
  /** Device numbers; empty for a source that is no device. */
  readonly majorMinors: readonly string[];
  /** Further members of a btrfs of several disks, for `device=`. */
  readonly otherMembers: readonly string[];
  /** UUID of the btrfs; `undefined` for other file systems. */
  readonly fsid: string | undefined;
  /** What the log should say of it, such as a lost member. */
  readonly warnings: readonly string[];
  /**
   * Device number -> `readDiskSequence` of before blkid was asked: a number that was given to
   * another disk since has another one.
   */
  readonly diskSequences?: ReadonlyMap<string, string>;
}

/** A source with nothing known of it but these facts. */
export function foundSource(
  source: string,
  fstype: string,
  facts: Partial<FoundSource> = {},
): FoundSource {
  const nothing = { blkidType: undefined, majorMinors: [], otherMembers: [], fsid: undefined };
  return { ...nothing, warnings: [], ...facts, source, fstype };
}

/** What a look found. */
export type Look =
  | { readonly kind: "found"; readonly found: FoundSource }
  /** `soft`: with `degraded` it may be mounted as it is, once the others were awaited long enough. */
  | {
    readonly kind: "waiting";
    readonly why: string;
    readonly soft?: FoundSource;
    /** The look itself failed, as where blkid did: the next one can go well though no disk comes or goes. */
    readonly failed?: true;
  };
