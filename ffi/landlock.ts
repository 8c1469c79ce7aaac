/**
 * The Landlock system calls, see landlock(7): glibc has no functions for them.
 *
 * @module
 */
import type { Rules } from "../mod/landlock.ts";
import {
  SYS_LANDLOCK_ADD_RULE,
  SYS_LANDLOCK_CREATE_RULESET,
  SYS_LANDLOCK_RESTRICT_SELF,
} from "../mod/linux.ts";
import type { LauncherLibc } from "./libc.ts";

// From `include/uapi/linux/landlock.h`.
const LANDLOCK_CREATE_RULESET_VERSION = 1;
const LANDLOCK_RULE_PATH_BENEATH = 1;
const LANDLOCK_RULE_NET_PORT = 2;

/** The kernel's Landlock version (its ABI), 1 or more; 0 where it has none or it is switched off. */
export function landlockVersion(libc: LauncherLibc): number {
  const flags = LANDLOCK_CREATE_RULESET_VERSION;
  return Math.max(
    0,
    Number(libc.landlockCreateRuleset(BigInt(SYS_LANDLOCK_CREATE_RULESET), null, 0n, flags)),
  );
}

/** A new ruleset's descriptor, closed by execve(2); -1 with errno. */
export function createRuleset(libc: LauncherLibc, rules: Rules): number {
  // struct landlock_ruleset_attr { __u64 handled_access_fs, handled_access_net, scoped; }; an older kernel
  // takes the longer struct where what it does not know is 0.
  const attr = BigUint64Array.of(
    BigInt(rules.handledFs),
    BigInt(rules.handledNet),
    BigInt(rules.scoped),
  );
  const size = BigInt(attr.byteLength);
  return Number(libc.landlockCreateRuleset(BigInt(SYS_LANDLOCK_CREATE_RULESET), attr, size, 0));
}

function addRule(libc: LauncherLibc, ruleset: number, type: number, attr: Uint8Array<ArrayBuffer>) {
  return Number(libc.landlockAddRule(BigInt(SYS_LANDLOCK_ADD_RULE), ruleset, type, attr, 0));
}

/** Allows `access` on a file, or below a directory; 0, or -1 with errno. */
export function allowPath(libc: LauncherLibc, ruleset: number, fd: number, access: number): number {
  // struct landlock_path_beneath_attr { __u64 allowed_access; __s32 parent_fd; } __attribute__((packed));
  const attr = new DataView(new ArrayBuffer(12));
  attr.setBigUint64(0, BigInt(access), true);
  attr.setInt32(8, fd, true);
  return addRule(libc, ruleset, LANDLOCK_RULE_PATH_BENEATH, new Uint8Array(attr.buffer));
}

/** Allows `access` on a TCP port; 0, or -1 with errno. */
export function allowPort(libc: LauncherLibc, ruleset: number, port: number, access: number) {
  // struct landlock_net_port_attr { __u64 allowed_access, port; };
  const attr = BigUint64Array.of(BigInt(access), BigInt(port));
  return addRule(libc, ruleset, LANDLOCK_RULE_NET_PORT, new Uint8Array(attr.buffer));
}

/** Puts this thread, and what it executes, under the ruleset; 0, or -1 with errno. */
export function restrictSelf(libc: LauncherLibc, ruleset: number): number {
  return Number(libc.landlockRestrictSelf(BigInt(SYS_LANDLOCK_RESTRICT_SELF), ruleset, 0));
}
