/**
 * One builder at a time in a folder of the cache.
 *
 * @module
 */

/**
 * Holds a folder for one builder at a time, so that two at once do not both build; it is free again when
 * the file is closed or its process ends. `builds` is what another run is doing meanwhile.
 *
 * @throws the reason of `signal`, once it was aborted.
 */
export async function lockFolder(
  folder: string,
  builds: string,
  progress: (line: string) => void,
  signal?: AbortSignal,
): Promise<Deno.FsFile> {
  const file = await Deno.open(`${folder}/lock`, { create: true, write: true });
  for (let waiting = false; !(await file.tryLock(true)); waiting = true) {
    if (!waiting) progress(`another run builds ${builds}; waiting for it`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    if (signal?.aborted) file.close();
    signal?.throwIfAborted();
  }
  return file;
}
