/**
 * Uploads without a pause to a served rest-server, and what has become of them on the disk.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { httpStatus } from "./http.ts";
import type { Random } from "./soak.ts";
import { until, within } from "./wait.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Makes the repository at `address`, and puts its directories on the disk. */
export async function createRepository(address: string): Promise<void> {
  const status = await httpStatus(`http://${address}/?create=true`, { method: "POST" });
  if (status !== 200) throw new Error(`creating the repository was answered ${status}`);
}

/** Uploads that run beside a test; `await using` ends them. */
export class Load implements AsyncDisposable {
  /** Ids of the blobs that were answered 200. */
  readonly answered = new Set<string>();
  /** Uploads that were sent and had no answer yet. */
  underWay = 0;
  readonly #stop = new AbortController();
  readonly #lanes: Promise<void>[];

  /** Starts `lanes` uploads at a time; each ends at the first answer that is not 200. */
  constructor(address: string, random: Random, lanes = 2) {
    this.#lanes = Array.from({ length: lanes }, () => this.#run(address, random));
  }

  async #run(address: string, random: Random): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const body = random.bytes(1 + random.below(random.pick([100, 5000, 50_000])));
      const id = sha256(body);
      this.underWay++;
      const status = await httpStatus(`http://${address}/data/${id}`, {
        method: "POST",
        body,
        signal: this.#stop.signal,
      }).catch(() => 0);
      this.underWay--;
      if (status !== 200) return;
      this.answered.add(id);
    }
  }

  /** Waits until so many were answered. */
  async reaches(count: number): Promise<void> {
    await until(() => this.answered.size >= count, `${count} answered uploads`);
  }

  /** Ends the uploads; those under way have no answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await within(Promise.all(this.#lanes), "end of the uploads");
  }
}

/** Blobs that are not in a repository's directory, or not as they were sent. */
export async function damagedBlobs(repository: string, ids: Iterable<string>): Promise<string[]> {
  const damaged: string[] = [];
  for (const id of ids) {
    const path = `${repository}/data/${id.slice(0, 2)}/${id}`;
    const bytes = await Deno.readFile(path).catch(() => null);
    if (bytes === null || sha256(bytes) !== id) damaged.push(path);
  }
  return damaged;
}
