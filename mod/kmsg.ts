/**
 * Records of `/dev/kmsg`: the kernel's `Documentation/ABI/testing/dev-kmsg`.
 *
 * @module
 */

/** One record of the kernel's log. */
export interface KernelRecord {
  /** 0 (emergency) to 7 (debug), as in syslog(3). */
  readonly level: number;
  readonly sequence: number;
  /** Microseconds since boot. */
  readonly timeUs: number;
  readonly message: string;
}

/**
 * Parses one record: `6,339,5140900,-;sda: detected\n SUBSYSTEM=block\n`. Continuation lines, which
 * name the device for programs, are left out.
 *
 * @throws {SyntaxError} for text that is not of this form.
 */
export function parseKernelRecord(record: string): KernelRecord {
  const match = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)/.exec(record);
  if (match === null) {
    throw new SyntaxError(`Cannot parse /dev/kmsg record: ${JSON.stringify(record.slice(0, 200))}`);
  }
  const [, priority, sequence, timeUs, message] = match;
  return {
    level: Number(priority) & 7,
    sequence: Number(sequence),
    timeUs: Number(timeUs),
    message: message!.replace(
      /((?:\\x[0-9a-f]{2})+)/gi,
      (hex) =>
        new TextDecoder().decode(
          new Uint8Array(hex.match(/[0-9a-f]{2}/gi)!.map((byte) => parseInt(byte, 16))),
        ),
    ),
  };
}

/**
 * The messages of raw records, oldest first, each once, at most `limit`; user space's own records and
 * text that is no record are left out.
 */
export function kernelMessages(records: readonly string[], limit = 5): string[] {
  const messages = new Set<string>();
  for (const record of records) {
    // Facility 0 is the kernel; anything above was written to /dev/kmsg by a program.
    const priority = /^(\d+),/.exec(record);
    if (priority === null || Number(priority[1]) >= 8) continue;
    try {
      messages.add(parseKernelRecord(record).message.trim());
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  messages.delete("");
  return [...messages].slice(-limit);
}
