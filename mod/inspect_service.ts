/**
 * What `check` asks of rest-server as it would run: with its files, its address, its user and its sandbox.
 *
 * @module
 */
import { adviseServer } from "./advice.ts";
import type { ReadConfig } from "./config.ts";
import type { Finding } from "./findings.ts";
import { describeSandbox, describeUser } from "./inspect_sandbox.ts";
import { inspectFiles, inspectListen, inspectWrites, type View } from "./inspect_server.ts";
import { inspectAccess } from "./inspect_user.ts";
import type { LockRecord } from "./lock.ts";
import { isBelow } from "./mountinfo.ts";
import { parseServerArgs, resolvePath, serverFiles } from "./server_args.ts";
import type { World } from "./world.ts";

/** rest-server's own default of `--path`. */
const DEFAULT_PATH = "/tmp/restic";

/** What the service would run with. */
export interface Service extends ReadConfig {
  /** All of rest-server's arguments. */
  readonly args: readonly string[];
  /** The working directory. */
  readonly directory: string;
  /** The kernel's version of Landlock; 0: none. */
  readonly landlock: number;
}

/** @param running what holds the target now. */
export async function inspectService(
  { config, mountWanted, args, directory, landlock }: Service,
  view: View,
  running: LockRecord | undefined,
  world: World,
): Promise<Finding[]> {
  const server = parseServerArgs(args);
  const path = resolvePath(server.path ?? DEFAULT_PATH, directory);
  const { platform, socketActivated } = world;
  const mounted = config.mount === null || view.shows === view.target;
  const files = serverFiles(server, path, directory).map(({ path }) => path)
    .filter((file) => mounted || !isBelow(file, view.target!));
  return [
    ...await inspectFiles(server, path, directory, view, world),
    ...await inspectWrites(server, directory, view, world),
    await inspectListen(server.listen, directory, running, world),
    ...adviseServer(args, { platform, socketActivated, mounted: mountWanted }),
    describeUser(config, world.root),
    ...config.user === null || config.mount === null
      ? []
      : await inspectAccess(config.user, mounted ? path : null, files, world),
    describeSandbox(config, server, directory, landlock),
  ];
}
