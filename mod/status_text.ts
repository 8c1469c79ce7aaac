/**
 * How `status` shows what it saw: aligned lines for people, one JSON object for programs.
 *
 * @module
 */
import { type Instance, isReadOnly, type Space } from "./status_look.ts";
import type { StatusRecord } from "./status_record.ts";
import { escape, type Paint, painter } from "./terminal.ts";

/** What there is to be shown. */
export interface Status {
  readonly instances: readonly Instance[];
  /** Why there is nothing to look at; `null` where there is something. */
  readonly why: string | null;
}

/** The two clocks of this moment. */
export interface Now {
  /** Since boot. */
  readonly bootMs: number;
  /** Since 1970. */
  readonly wallMs: number;
}

/** Whether there is something, and all of it serves. */
export function allServe({ instances }: Status): boolean {
  return instances.length > 0 && instances.every(({ why }) => why === null);
}

/** The time of day of a moment since boot; `null` for one of an earlier boot. */
function timeOf(atMs: number, { bootMs, wallMs }: Now): string | null {
  // The boot clock counts whole seconds.
  if (atMs > bootMs + 1000) return null;
  return new Date(wallMs - bootMs + atMs).toISOString().replace(/\.\d+Z$/, "Z");
}

const secondsSince = (atMs: number, { bootMs }: Now) =>
  Math.max(0, Math.round((bootMs - atMs) / 1000));

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]] as const;

/** A time span in its two largest units: `3 d 4 h`, `59 s`. */
export function formatSpan(seconds: number): string {
  const first = UNITS.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "0 s";
  let rest = seconds;
  return UNITS.slice(first, first + 2).flatMap(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest %= length;
    return count === 0 ? [] : [`${count} ${unit}`];
  }).join(" ");
}

/** A size with three digits: `512 B`, `1.46 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let size = bytes;
  // What would round to 1000 is written with the next unit: 0.98 GiB.
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toPrecision(3)} ${units[unit]}`;
}

const percent = (part: number, whole: number) => whole === 0 ? 0 : Math.round(100 * part / whole);

function spaceText({ sizeBytes, usedBytes, freeBytes }: Space): string {
  return `${formatBytes(freeBytes)} free of ${formatBytes(sizeBytes)}, ` +
    `${percent(usedBytes, sizeBytes)} % used`;
}

function inodesText({ inodes, freeInodes }: Space): string {
  if (inodes === 0) return "not counted by this file system";
  return `${freeInodes} free of ${inodes}, ${percent(inodes - freeInodes, inodes)} % used`;
}

function serverText({ record: { server }, serverAlive, listening }: Instance): string {
  if (server === null || !serverAlive) return "not running";
  const where = listening === null
    ? "its sockets are shown to root and its own user"
    : listening.length === 0
    ? "listening nowhere"
    : `listening on ${listening.join(", ")}`;
  return `process ${server.pid}, ${where}`;
}

const times = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function diskText({ record: { devices, fstype }, mount }: Instance): string {
  const mode = mount === null ? "" : isReadOnly(mount) ? "read-only" : "rw";
  return [devices.join(" "), mount?.fsType ?? fstype ?? "", mode].filter((part) => part !== "")
    .join(", ");
}

function historyText({ starts, losses, restarts }: StatusRecord): string {
  const lost = losses === 0 ? "no disk lost" : `disk lost ${times(losses, "time")}`;
  const before = restarts === 0
    ? ""
    : `; ${times(restarts, "unclean end")} in a row before this run`;
  return `rest-server started ${times(starts, "time")}, ${lost}${before}`;
}

function instanceText(instance: Instance, now: Now, paint: Paint): string {
  const { record, path, alive, space, why } = instance;
  const { target, source, phase, sinceMs, wrapper, failure } = record;
  const since = timeOf(sinceMs, now);
  const span = since === null ? "" : ` since ${since} (${formatSpan(secondsSince(sinceMs, now))})`;
  const failed = failure &&
    [timeOf(failure.atMs, now), failure.text].filter((part) => part !== null).join(" ");
  const rows: [name: string, text: string | null][] = [
    ["status", why === null ? "serving" : `not serving: ${why}`],
    ["phase", `${alive ? "" : "was "}${phase}${span}`],
    ["target", target ?? "none: rest-server runs without a mount"],
    ["source", source],
    ["disk", target === null ? null : diskText(instance) || "none yet"],
    ["space", space && spaceText(space)],
    ["inodes", space && inodesText(space)],
    ["rest-server", serverText(instance)],
    ["wrapper", `process ${wrapper.pid}${alive ? "" : ", gone"}`],
    ["history", historyText(record)],
    ["last failure", failed],
    ["to forget", alive ? null : `rm "${path}" (only if nothing is to be served there again)`],
  ];
  return rows.flatMap(([name, text]) => {
    if (text === null) return [];
    const plain = escape(text);
    const shown = name === "status" ? paint(why === null ? "green" : "red", plain) : plain;
    return [paint("faint", name.padEnd(14)) + shown];
  }).join("\n");
}

/** What people read: a block for each run. */
export function statusText({ instances, why }: Status, now: Now, colours: boolean): string {
  const paint = painter(colours);
  if (why !== null) return `${paint("red", escape(why))}\n`;
  return `${instances.map((instance) => instanceText(instance, now, paint)).join("\n\n")}\n`;
}

function instanceReport(instance: Instance, now: Now) {
  const { record, alive, serverAlive, mount, space, listening, why } = instance;
  const { server, failure } = record;
  return {
    serving: why === null,
    why,
    running: alive,
    phase: record.phase,
    text: record.text,
    since: timeOf(record.sinceMs, now),
    seconds: timeOf(record.sinceMs, now) === null ? null : secondsSince(record.sinceMs, now),
    target: record.target,
    source: record.source,
    devices: record.devices,
    fstype: mount?.fsType ?? record.fstype,
    readonly: mount && isReadOnly(mount),
    space: space && {
      size_bytes: space.sizeBytes,
      used_bytes: space.usedBytes,
      free_bytes: space.freeBytes,
      inodes: space.inodes,
      free_inodes: space.freeInodes,
    },
    wrapper: { pid: record.wrapper.pid },
    server: server !== null && serverAlive ? { pid: server.pid, listening } : null,
    starts: record.starts,
    losses: record.losses,
    restarts: record.restarts,
    failure: failure && { time: timeOf(failure.atMs, now), text: failure.text },
  };
}

/** What programs read, as `dist/schema/status.schema.json` says. */
export function statusReport(status: Status, now: Now) {
  const instances = status.instances.map((instance) => instanceReport(instance, now));
  return { schema: 1, serving: allServe(status), why: status.why, instances };
}
