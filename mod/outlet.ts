/**
 * What reads this process's stderr.
 *
 * @module
 */
import { chooseOutlet, type Outlet } from "./log_form.ts";

/** `device:inode` of fd 2, as fstat(2) has them: the link of /proc leads to the open file, not to a path. */
function stderrStream(): string | undefined {
  try {
    const { dev, ino } = Deno.statSync("/proc/self/fd/2");
    return `${dev}:${ino}`;
  } catch {
    return undefined; // It is closed.
  }
}

/** Asked once, at the start. */
export function stderrOutlet(): Outlet {
  const journalStream = Deno.env.get("JOURNAL_STREAM");
  return chooseOutlet({
    terminal: Deno.stderr.isTerminal(),
    stream: journalStream ? stderrStream() : undefined,
    journalStream,
    noColor: Deno.env.get("NO_COLOR"),
    term: Deno.env.get("TERM"),
  });
}
