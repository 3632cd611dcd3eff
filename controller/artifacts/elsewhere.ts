import type { Client } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { namesOf } from "./artifact";

/** How long a list of all Checkpoints is used, so that many deletions cause one list, ms. */
const LIST_MS = 30_000;

/** Finds Checkpoints of all namespaces that name an artifact: the cache has only those of the install. */
export class Elsewhere {
  private last: { readonly atMs: number; readonly all: Promise<readonly CheckpointObject[]> } | undefined;

  constructor(private readonly client: Pick<Client, "list">) {}

  /**
   * Returns a Checkpoint besides this one that names the digest and is not deleted, of a list that is at most 30 s old.
   * @throws errors of the list
   */
  async other(
    { metadata: { uid } }: CheckpointObject,
    digest: string,
    signal: AbortSignal,
  ): Promise<CheckpointObject | undefined> {
    const all = await this.list(signal);
    return all.find(
      (one) =>
        one.metadata.uid !== uid &&
        one.metadata.deletionTimestamp === undefined &&
        namesOf(one).includes(digest),
    );
  }

  private async list(signal: AbortSignal): Promise<readonly CheckpointObject[]> {
    const nowMs = Date.now();
    if (this.last === undefined || nowMs - this.last.atMs > LIST_MS)
      this.last = { atMs: nowMs, all: this.client.list(CHECKPOINT, { signal }) };
    try {
      return await this.last.all;
    } catch (error) {
      this.last = undefined;
      throw error;
    }
  }
}
