import { each, Turn, type Client } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { namesOf } from "./artifact";

/** How long a list of all Checkpoints is used, so that many deletions cause one list, ms. */
const LIST_MS = 30_000;

/** Checkpoints of all namespaces, by their UID and by the UID or digest that names their artifact. */
type Named = ReadonlyMap<string, readonly CheckpointObject[]>;

/** Finds Checkpoints of all namespaces that name an artifact: the cache has only those of the install, and may be late. */
export class Elsewhere {
  private last: { readonly atMs: number; readonly all: Promise<Named> } | undefined;

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
    const found = (await this.list(signal)).get(digest) ?? [];
    return found.find(({ metadata }) => metadata.uid !== uid && metadata.deletionTimestamp === undefined);
  }

  /**
   * Returns a Checkpoint that has or names one of the UIDs or digests, also if it is being deleted, of a list that is at most 30 s old.
   * @throws errors of the list
   */
  async user(names: readonly string[], signal: AbortSignal): Promise<CheckpointObject | undefined> {
    const all = await this.list(signal);
    return names.flatMap((name) => all.get(name) ?? [])[0];
  }

  private async list(signal: AbortSignal): Promise<Named> {
    const nowMs = Date.now();
    if (this.last === undefined || nowMs - this.last.atMs > LIST_MS)
      this.last = { atMs: nowMs, all: this.read(signal) };
    try {
      return await this.last.all;
    } catch (error) {
      this.last = undefined;
      throw error;
    }
  }

  private async read(signal: AbortSignal): Promise<Named> {
    const named = new Map<string, CheckpointObject[]>();
    const all = await this.client.list(CHECKPOINT, { signal });
    await new Turn(1).do(
      each(all, (one) => {
        for (const name of new Set([one.metadata.uid, ...namesOf(one)])) {
          const known = named.get(name);
          if (known) known.push(one);
          else named.set(name, [one]);
        }
      }),
    );
    return named;
  }
}
