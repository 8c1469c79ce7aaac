/**
 * Checksums of text, for the names of what is kept in the cache.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** SHA-256 of a text's UTF-8, in hexadecimal. */
export function textDigest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
