/** Who keeps a mount busy, read from a /proc and a /sys in memory. */
import assert from "node:assert/strict";
import { findHolders } from "../../mod/holders.ts";
import { filesOf, worldOf } from "./fake_parts.ts";

const MOUNTINFO = "1 0 8:1 / / rw - ext4 /dev/root rw\n2 1 8:2 / /mnt rw - ext4 /dev/sda rw\n";

/** The holders of /mnt where links, directories and texts are as given. */
function holders(
  links: Readonly<Record<string, string>>,
  lists: Readonly<Record<string, readonly string[]>>,
  texts: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const files = filesOf({ "/proc/self/mountinfo": MOUNTINFO, ...texts });
  const gone = (path: string) => Promise.reject(new Deno.errors.NotFound(path));
  return findHolders(
    "/mnt",
    worldOf({
      pid: 1,
      files: {
        ...files,
        readLink: (path) => path in links ? Promise.resolve(links[path]!) : gone(path),
        list: (path) => path in lists ? Promise.resolve([...lists[path]!]) : gone(path),
      },
    }),
  );
}

Deno.test("findHolders() names processes by working directory, root, program and open files", async () => {
  const found = await holders(
    {
      "/proc/10/cwd": "/mnt/a",
      "/proc/11/root": "/mnt",
      "/proc/12/exe": "/mnt/bin/x",
      "/proc/13/fd/7": "/mnt/file",
      // A name that only begins alike.
      "/proc/14/cwd": "/mnt2",
    },
    { "/proc": ["10", "11", "12", "13", "14", "1", "sys"], "/proc/13/fd": ["0", "7"] },
    { "/proc/10/comm": "bash\n" },
  );
  assert.deepEqual(found, [
    'bash (process 10, "/mnt/a")',
    'process (process 11, "/mnt")',
    'process (process 12, "/mnt/bin/x")',
    'process (process 13, "/mnt/file")',
  ]);
});

Deno.test("findHolders() names this program itself: where it stands, and a look that hangs", async () => {
  const own = { "/proc": ["1"], "/proc/1/fd": ["5"] };
  assert.deepEqual(await holders({ "/proc/1/cwd": "/mnt/a" }, own), [
    'this program\'s own working directory, "/mnt/a"',
  ]);
  assert.deepEqual(await holders({ "/proc/1/fd/5": "/mnt/a" }, own), [
    "this program's own look at the disk, which does not answer",
  ]);
  assert.deepEqual(await holders({ "/proc/1/cwd": "/" }, own), []);
});

Deno.test("findHolders() names loop devices, swap files and mounts below", async () => {
  const found = await holders({}, { "/sys/block": ["loop0", "loop1", "sda"] }, {
    "/sys/block/loop0/loop/backing_file": "/mnt/image\n",
    "/sys/block/loop1/loop/backing_file": "/home/image\n",
    "/proc/swaps": "Filename Type Size Used Priority\n/mnt/swap file 1 0 -2\n/swap file 1 0 -3\n",
    "/proc/self/mountinfo": `${MOUNTINFO}3 2 0:9 / /mnt/deep rw - tmpfs t rw\n`,
  });
  assert.deepEqual(found, [
    '/dev/loop0 (loop device, "/mnt/image")',
    'swap "/mnt/swap"',
    'mount on "/mnt/deep"',
  ]);
});

Deno.test("findHolders() names eight and counts the rest; it fails at nothing", async () => {
  const pids = Array.from({ length: 11 }, (_, i) => String(20 + i));
  const links = Object.fromEntries(pids.map((pid) => [`/proc/${pid}/cwd`, "/mnt"]));
  const found = await holders(links, { "/proc": pids });
  assert.equal(found.length, 9);
  assert.equal(found.at(-1), "3 more");
  assert.deepEqual(await holders({}, {}), []);
});
