/** mountinfo against a model of the kernel, and against any text at all. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { mountAt, mountHolding, type MountInfo, parseMountinfo } from "../../mod/mountinfo.ts";
import { RUNS, tolerate } from "./fixture.ts";

/** As the kernel's seq_escape writes it: octal for what would break the line. */
function escape(text: string, extra = ""): string {
  return text.replace(
    /[ \t\n\\#,]/g,
    (character) =>
      " \t\n\\".includes(character) || extra.includes(character)
        ? `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`
        : character,
  );
}

function render(mount: MountInfo): string {
  return [
    mount.mountId,
    mount.parentId,
    mount.majorMinor,
    escape(mount.root),
    escape(mount.mountPoint),
    mount.mountOptions.join(","),
    ...mount.optionalFields,
    "-",
    escape(mount.fsType),
    escape(mount.mountSource, "#"),
    mount.superOptions.map((option) => escape(option, ",")).join(","),
  ].join(" ") + "\n";
}

const odd = fc.string({
  unit: fc.constantFrom(..."ab/-:=\"'#\\ \t\n0134é漢,".split("")),
  minLength: 1,
  maxLength: 12,
});
const word = fc.stringMatching(/^[a-z_]{1,8}$/);
const id = fc.nat({ max: 2 ** 31 - 1 });
const mountInfo: fc.Arbitrary<MountInfo> = fc.record({
  mountId: id,
  parentId: id,
  majorMinor: fc.tuple(fc.nat(4095), fc.nat(1048575)).map((pair) => pair.join(":")),
  root: odd.map((text) => `/${text}`),
  mountPoint: odd.map((text) => `/${text}`),
  mountOptions: fc.array(word, { minLength: 1, maxLength: 5 }),
  optionalFields: fc.array(fc.constantFrom("shared:1", "master:22", "unbindable"), {
    maxLength: 3,
  }),
  fsType: word,
  mountSource: odd,
  // A comma within a value has a test of its own.
  superOptions: fc.array(odd.map((text) => text.replaceAll(",", ".")), {
    minLength: 1,
    maxLength: 5,
  }),
}, { noNullPrototype: true });

Deno.test("what the kernel would write is read back as it was", () => {
  fc.assert(
    fc.property(fc.array(mountInfo, { maxLength: 4 }), (mounts) => {
      assert.deepEqual(parseMountinfo(mounts.map(render).join("")), mounts);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("parseMountinfo() throws nothing but its SyntaxError", () => {
  const line = mountInfo.map(render);
  const broken = fc.tuple(line, fc.nat(200), fc.nat(5), fc.string({ maxLength: 5 }))
    .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), broken), (text) => {
      for (const mount of tolerate(SyntaxError, () => parseMountinfo(text)) ?? []) {
        assert.ok(Number.isInteger(mount.mountId) && mount.majorMinor.includes(":"));
      }
    }),
    { numRuns: RUNS },
  );
});

/** Directories that mounts can cover, and paths below them. */
const PLACES = ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/d", "/d/a"];
const PATHS = [...PLACES, "/a/b/x", "/d/a/b/c", "/ab", "/e/f"];

interface Mount {
  readonly id: number;
  readonly parent: number;
  readonly point: string;
}

/** The mounts of a kernel, and its walk: at each name, into whatever covers it. */
class Kernel {
  mounts: Mount[] = [{ id: 1, parent: 0, point: "/" }];
  #nextId = 2;

  walk(path: string): Mount {
    let here = this.mounts[0]!;
    const names = path === "/" ? [] : path.slice(1).split("/");
    for (let depth = 0; depth <= names.length; depth++) {
      const point = `/${names.slice(0, depth).join("/")}`;
      for (;;) {
        const cover = this.mounts.find((mount) =>
          mount.parent === here.id && mount.point === point && mount !== here
        );
        if (cover === undefined) break;
        here = cover;
      }
    }
    return here;
  }

  mount(point: string): void {
    this.mounts.push({ id: this.#nextId++, parent: this.walk(point).id, point });
  }

  /** umount(8) of the top of a place, where nothing is mounted below it. */
  unmount(point: string): void {
    const top = this.walk(point);
    const busy = this.mounts.some(({ parent }) => parent === top.id);
    if (top.point !== point || top.id === 1 || busy) return;
    this.mounts = this.mounts.filter((mount) => mount !== top);
  }

  info(): MountInfo[] {
    const lines = this.mounts.map(({ id, parent, point }) =>
      `${id} ${parent} 0:${id} / ${point} rw - tmpfs none rw\n`
    );
    return parseMountinfo(lines.join(""));
  }
}

Deno.test("P1: mountHolding() finds the mount that the kernel would walk into", () => {
  const event = fc.record({
    mount: fc.boolean(),
    place: fc.constantFrom(...PLACES),
  });
  const events = fc.array(event, { maxLength: 25 });
  fc.assert(
    fc.property(events, fc.infiniteStream(fc.nat(1000)), (list, order) => {
      const kernel = new Kernel();
      for (const { mount, place } of list) {
        if (mount) kernel.mount(place);
        else kernel.unmount(place);
      }
      // The order of lines says nothing: a mount can be moved below a later one.
      const info = kernel.info().map((mount) => [order.next().value as number, mount] as const)
        .toSorted(([a], [b]) => a - b).map(([, mount]) => mount);
      for (const path of PATHS) {
        const holder = kernel.walk(path);
        assert.equal(mountHolding(info, path)?.mountId, holder.id, path);
        assert.equal(
          mountAt(info, path)?.mountId,
          holder.point === path ? holder.id : undefined,
          path,
        );
      }
    }),
    { numRuns: RUNS },
  );
});
