/**
 * What rest-server would only say by exit code 1, asked before it starts and said with the cure.
 *
 * @module
 */
import { Failure, fileFailure, messageOf } from "./exit.ts";
import {
  formatAddress,
  type Listen,
  resolvePath,
  type ServerArgs,
  type ServerFile,
  serverFiles,
} from "./server_args.ts";
import type { World } from "./world.ts";

/**
 * Reads the first byte of a file.
 *
 * @throws {Failure} "configuration" for a missing file, "mount" for one that the disk does not give.
 */
export async function requireReadable({ path, named, what, cure }: ServerFile, world: World) {
  try {
    // A pipe, as of "--tls-key <(decrypt key)", gives its bytes once, and those are rest-server's.
    const kind = (await world.files.stat(path))?.kind;
    if (kind === "other" && named) return;
    // rest-server would wait for a pipe that lies on the disk, and serve nobody.
    if (kind === "other") throw new Error("it is a pipe or a device");
    if (kind === "directory") throw new Error("it is a directory");
    await world.files.readAt(path, 0, 1);
  } catch (error) {
    const kind = fileFailure(error);
    const why = error instanceof Deno.errors.NotFound ? "it is not there" : messageOf(error);
    const hint = kind === "configuration" ? cure : "see the kernel log";
    throw new Failure(kind, `Cannot read ${what} "${path}": ${why}; ${hint}`, { cause: error });
  }
}

async function checkUnixSocket(path: string, world: World) {
  const facts = await world.files.stat(path).catch(() => null);
  if (facts?.kind !== "socket") return;
  if (await world.sockets.unixAnswers(path)) {
    throw new Failure(
      "busy",
      `Cannot listen on "unix:${path}": somebody answers there; stop that program, or change --listen`,
    );
  }
  try {
    await world.files.remove(path);
  } catch (error) {
    throw new Failure(
      "configuration",
      `Cannot remove the dead socket "${path}": ${messageOf(error)}; ` +
        "remove it by hand, or change --listen",
      { cause: error },
    );
  }
  const text = `removed the dead socket "${path}" that an earlier rest-server left`;
  world.log.info(text, { event: "socket-removed", path });
}

/** Removes the socket of a rest-server that has ended: its sandbox lets it make one, but remove nothing there. */
export async function removeSocket(listen: Listen, directory: string, world: World): Promise<void> {
  if (listen.kind !== "unix" || world.socketActivated) return;
  const path = resolvePath(listen.path, directory);
  const facts = await world.files.stat(path).catch(() => null);
  if (facts?.kind !== "socket" || await world.sockets.unixAnswers(path)) return;
  await world.files.remove(path).catch((error) => {
    const why = messageOf(error);
    const facts = { event: "file-failed", path, why } as const;
    world.log.warn(`Cannot remove the socket "${path}": ${why}`, facts);
  });
}

/** Who listens on a TCP port is a question for ss(8); here only whether somebody does. */
async function checkTcp(host: string, port: string, world: World) {
  // A service's name, such as ":http", is rest-server's to look up; port 0 is always free.
  if (!/^\d{1,5}$/.test(port) || Number(port) === 0 || Number(port) > 65535) return;
  if (await world.sockets.tcpFault(host, Number(port)) !== "in use") return;
  throw new Failure(
    "busy",
    `Cannot listen on "${formatAddress(host, port)}": the address is in use; ` +
      `check who has it with: ss -ltnp "sport = :${port}", or change --listen`,
  );
}

async function checkListen(listen: Listen, directory: string, world: World) {
  if (world.socketActivated) return;
  if (listen.kind === "unix") await checkUnixSocket(resolvePath(listen.path, directory), world);
  else await checkTcp(listen.host, listen.port, world);
}

/**
 * Checks password file, TLS files and address.
 *
 * @param path `--path`, absolute.
 * @param directory the working directory, for relative names.
 * @throws {Failure} "configuration" for a missing file, "mount" for one that the disk does not give, "busy" for an address in use.
 */
export async function checkServer(
  args: ServerArgs,
  path: string,
  directory: string,
  world: World,
): Promise<void> {
  for (const file of serverFiles(args, path, directory)) await requireReadable(file, world);
  await checkListen(args.listen, directory, world);
}
