/**
 * Just the part of the world that a step asks, for tests of one step.
 *
 * @module
 */
import { Progress } from "../../mod/progress.ts";
import type { FileFacts, Files, World } from "../../mod/world.ts";

/** A world with only these edges, and somebody to tell of progress: asking another one is an error of the test. */
export function worldOf(parts: Partial<World>): World {
  return new Proxy({ progress: new Progress(() => 0), ...parts }, {
    get(target, name) {
      if (name in target) return target[name as keyof World];
      throw new Error(`this test has no ${String(name)}`);
    },
  }) as World;
}

/** What stat(2) would say of a node. */
export function facts(kind: FileFacts["kind"], more: Partial<FileFacts> = {}): FileFacts {
  return { kind, rdev: 0, inode: 1, executable: false, ...more };
}

/** What is at a path: text, bytes, what stat says, or the error that each question gets. */
export type Node = string | Uint8Array | FileFacts | Error;

/** Files in memory. A path that is not there is NotFound, and `null` of stat. */
export function filesOf(nodes: Readonly<Record<string, Node>>): Files {
  const entries = new Map(Object.entries(nodes));
  const find = (path: string): Node => {
    const node = entries.get(path);
    if (node === undefined) throw new Deno.errors.NotFound(path);
    if (node instanceof Error) throw node;
    return node;
  };
  const soon = <T>(get: () => T) => Promise.resolve().then(get);
  return {
    readText: (path) => soon(() => String(find(path))),
    writeText: (path, text) => soon(() => void entries.set(path, text)),
    readAt: (path, _offset, length) =>
      soon(() => {
        const node = find(path);
        if (!(node instanceof Uint8Array)) throw new Deno.errors.NotFound(path);
        return node.subarray(0, length);
      }),
    stat: (path) =>
      soon(() => {
        if (!entries.has(path)) return null;
        const node = find(path);
        return typeof node === "object" && "kind" in node ? node : facts("file");
      }),
    realPath: (path) => soon(() => (find(path), path)),
    readLink: (path) =>
      soon(() => {
        const node = find(path);
        if (node instanceof Uint8Array) throw new Error(`Invalid argument (os error 22): ${path}`);
        return String(node);
      }),
    list: (path) => soon(() => String(find(path)).split("\n")),
    makeDirectory: () => Promise.resolve(),
    remove: (path) => soon(() => void entries.delete(path)),
  };
}
