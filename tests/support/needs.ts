/**
 * Tests that need something this machine may not have: they are shown as ignored, with the reason in
 * their name.
 *
 * @module
 */

/** What a test can need: root, overlays on the root, or a program in PATH. */
export type Need = "root" | "overlayfs" | `program:${string}`;

/** Mounts one, in a namespace that is gone at once. */
async function canOverlay(): Promise<boolean> {
  const script = "mount -t tmpfs tmpfs /tmp && mkdir /tmp/upper /tmp/work /tmp/root && " +
    "mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/root";
  const args = ["--mount", "--propagation", "private", "sh", "-c", script];
  const { success } = await new Deno.Command("unshare", { args, stdout: "null", stderr: "null" })
    .output().catch(() => ({ success: false }));
  return success;
}

async function isMet(need: Need): Promise<boolean> {
  if (need === "root") return Deno.uid() === 0;
  if (need === "overlayfs") return await canOverlay();
  const program = need.slice("program:".length);
  const directories = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  for (const directory of directories) {
    const info = await Deno.stat(`${directory}/${program}`).catch(() => null);
    if (info?.isFile) return true;
  }
  return false;
}

/** `Deno.test`, ignored with its reason in the name where a need is not met. */
export async function testWith(
  needs: readonly Need[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): Promise<void> {
  for (const need of needs) {
    if (await isMet(need)) continue;
    Deno.test({
      name: `${name} [ignored: needs ${need.replace("program:", "")}]`,
      ignore: true,
      fn,
    });
    return;
  }
  Deno.test({ name, fn });
}
