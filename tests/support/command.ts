/**
 * Programs of the system that set a test up, or say afterwards how it went.
 *
 * @module
 */

/** PATH with the directories where mkfs and blkid lie, which a plain `su` leaves out. */
export const SYSTEM_PATH = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`;

/**
 * Runs a program to its end; gives its stdout and its stderr.
 *
 * @throws {Error} with all that it said, where it does not exit 0.
 */
async function output(program: string, args: readonly string[]): Promise<[string, string]> {
  const { success, code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { PATH: SYSTEM_PATH, LC_ALL: "C.UTF-8" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stdout);
  const complaint = new TextDecoder().decode(stderr);
  if (success) return [said, complaint];
  throw new Error(`${program} ${args.join(" ")}: exit ${code}\n${said}${complaint}`);
}

/** Runs a program to its end; gives its stdout. @throws {Error} where it does not exit 0. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await output(program, args))[0].trim();
}

/** As {@linkcode run}, with what the program said on stderr. */
export async function runAloud(program: string, ...args: readonly string[]): Promise<string> {
  return (await output(program, args)).join("\n");
}
