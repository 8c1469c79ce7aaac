/**
 * Waiting for a condition, never for a time.
 *
 * @module
 */

/** Generous: the machines are shared. It only decides how long a failing test takes. */
export const LIMIT_MS = 60_000;

/** Fails with `what` unless the promise ends within the limit. */
export async function within<T>(
  promise: Promise<T>,
  what: string | (() => string),
  limitMs = LIMIT_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const missing = typeof what === "string" ? what : what();
      reject(new Error(`not within ${limitMs} ms: ${missing}`));
    }, limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until `condition` gives something true. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string | (() => string),
  limitMs = LIMIT_MS,
): Promise<NonNullable<T>> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > endMs) {
      throw new Error(`not within ${limitMs} ms: ${typeof what === "string" ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
