/**
 * What `check` says of the user and the sandbox that rest-server would run in.
 *
 * @module
 */
import type { Config } from "./config.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { type Rules, rulesOf, sandboxOf } from "./landlock.ts";
import { resolvePath, type ServerArgs } from "./server_args.ts";

const { ok, note, warning, error } = findingsOf("sandbox");

/** What this version of Landlock cannot keep rest-server from. */
function gaps(rules: Rules, version: number): string[] {
  return [
    ...version < 3 ? ["truncating files elsewhere"] : [],
    ...rules.handledNet === 0 ? ["binding and connecting to TCP ports"] : [],
    ...rules.scoped === 0 ? ["signals to other processes and abstract sockets of others"] : [],
  ];
}

/** The sandbox, in words. @param version of the kernel's Landlock; 0: it has none. */
export function describeSandbox(
  config: Config,
  server: ServerArgs,
  directory: string,
  version: number,
): Finding {
  if (config.mount === null) return note("sandbox", "without a mount there is no sandbox");
  if (!config.sandbox) {
    const text =
      "MNT_SANDBOX=off: rest-server can write wherever its user can, also under a disk that is gone";
    return warning("sandbox", text, "leave MNT_SANDBOX unset");
  }
  if (version === 0) {
    return warning(
      "sandbox",
      "this kernel has no Landlock: rest-server would run without a sandbox",
      "use a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm=; MNT_SANDBOX=off says that this is meant",
    );
  }
  const sandbox = sandboxOf(server.listen, directory);
  const rules = rulesOf(sandbox, version);
  const files = [server.log, server.cpuProfile].flatMap((file) =>
    file === undefined ? [] : [`"${resolvePath(file, directory)}"`]
  );
  const writes = [`below "${config.mount.target}"`, ...files].join(" and to ");
  const port = rules.handledNet === 0 || sandbox.port === null
    ? ""
    : `; it may listen on ${
      sandbox.port === "any" ? "any port" : `port ${sandbox.port}`
    }, and connect nowhere`;
  const lacks = gaps(rules, version);
  const beyond = lacks.length === 0 ? "" : `; this version cannot forbid ${lacks.join(", nor ")}`;
  const text = `Landlock version ${version}: rest-server may write only ${writes}${port}${beyond}`;
  return version < 3
    ? warning("sandbox", text, "use a newer kernel (Linux 6.2 or later)")
    : ok("sandbox", text);
}

/** The user of `MNT_USER`. */
export function describeUser({ user }: Config, root: boolean): Finding {
  if (user === null) {
    const text = `MNT_USER is not set: rest-server runs as ${
      root ? "root" : "this program's user"
    }`;
    return root
      ? note("user", text, "give it a user of its own: MNT_USER=1000:1000")
      : ok("user", text);
  }
  const who = `MNT_USER=${user.uid}:${user.gid}`;
  if (!root) {
    return error("user", `${who} needs root`, "run this program as root, or leave MNT_USER unset");
  }
  return ok("user", `rest-server runs as ${who}`);
}
