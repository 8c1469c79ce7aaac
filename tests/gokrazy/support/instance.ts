/**
 * A gokrazy instance as gok keeps it: the text of its files.
 *
 * @see https://gokrazy.org/userguide/instance-config/
 * @module
 */
import { PACKAGE } from "../../../dist/gokrazy/package_config.ts";
import type { Kernel } from "./kernels.ts";

/** A restic-rest-server in the guest, at `/user/NAME`. */
export interface GuestService {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  /** rest-server's arguments. */
  readonly flags: readonly string[];
  /** Started at boot; else by Restart in the web interface. */
  readonly starts: boolean;
}

export interface ImageSpec {
  /** One image a name is kept. */
  readonly name: string;
  readonly kernel: Kernel;
  readonly services: readonly GuestService[];
  /** How restic-rest-server is made; `none`: the image goes without, to compare. */
  readonly engine: "script" | "compile" | "none";
}

/** Password of the web interface; it is reached from this machine only. */
export const PASSWORD = "gokrazy-test";
/** Ports of the guest. */
export const WEB_PORT = 80;
export const AGENT_PORT = 8099;
export const SERVER_PACKAGE = "github.com/restic/rest-server/cmd/rest-server";

/** The module's name in a go.mod. */
export function moduleName(goMod: string): string {
  const name = /^module (\S+)$/m.exec(goMod)?.[1];
  if (name === undefined) throw new SyntaxError("Cannot read go.mod: it has no module line");
  return name;
}

/** The same go.mod under another module name. */
export function renameModule(goMod: string, name: string): string {
  return goMod.replace(/^module .*$/m, `module ${name}`);
}

/** The import path of a service's package; the last element names the service. */
function servicePackage(service: GuestService): string {
  return `${PACKAGE}/${service.name}`;
}

interface PackageConfig {
  readonly Environment?: readonly string[];
  readonly CommandLineFlags?: readonly string[];
  readonly DontStart?: boolean;
}

function serviceConfig({ environment, flags, starts }: GuestService): PackageConfig {
  return {
    Environment: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    CommandLineFlags: flags,
    ...(starts ? {} : { DontStart: true }),
  };
}

/**
 * The config.json of an image: what `gok new` and `gok add` wrote, with what the tests need.
 *
 * @param main the import path of the package made by `deno task dist`, if the image has it.
 */
export function completeConfig(text: string, spec: ImageSpec, main: string | undefined): string {
  const config = JSON.parse(text) as {
    Packages: string[];
    PackageConfig: Record<string, PackageConfig>;
  };
  const services = spec.services.map((service) =>
    [servicePackage(service), serviceConfig(service)] as const
  );
  return JSON.stringify(
    {
      ...config,
      Update: { HTTPPort: String(WEB_PORT), HTTPPassword: PASSWORD },
      Packages: [...config.Packages, "github.com/gokrazy/serial-busybox", SERVER_PACKAGE],
      PackageConfig: {
        ...config.PackageConfig,
        [SERVER_PACKAGE]: {
          CommandLineFlags: ["--no-auth", "--listen=:8000", "--path=/tmp/alone"],
          DontStart: true,
        },
        // It brings the files; the services run them under names of their own.
        ...(main === undefined ? {} : { [main]: { DontStart: true } }),
        ...Object.fromEntries(services),
      },
      SerialConsole: "ttyAMA0,115200",
      KernelPackage: spec.kernel.package,
      // A virtual machine has no Raspberry Pi firmware.
      FirmwarePackage: "",
      EEPROMPackage: "",
    },
    null,
    2,
  );
}

/**
 * The unique GUID of the first partition, from the first 4 KiB of an image with a GPT: its third sector
 * holds the table, and a GUID's first three groups lie there little-endian (UEFI, 5.3.3).
 */
export function firstPartitionGuid(image: Uint8Array): string {
  const bytes = [...image.subarray(1024 + 16, 1024 + 32)];
  const groups = [[3, 2, 1, 0], [5, 4], [7, 6], [8, 9], [10, 11, 12, 13, 14, 15]];
  return groups.map((group) => Uint8Array.from(group, (i) => bytes[i]!).toHex()).join("-");
}
