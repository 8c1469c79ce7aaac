/**
 * A directory that is gone when its test is.
 *
 * @module
 */

/** A temporary directory; `await using` removes it with all that is in it. */
export async function tempDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "restic-rest-server-test-" });
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}
