import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../kube/client";

export interface Stored {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    generation?: number;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    finalizers?: string[];
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** One write. `old` is missing for a creation, `new` for a deletion. */
export interface Write {
  readonly version: number;
  readonly collection: string;
  readonly old?: Stored;
  readonly new?: Stored;
}

/** Objects and the history of writes, as in etcd: one version counter for all objects. */
export class Objects {
  version = 1000;
  /** Writes up to this version are compacted. */
  compacted = 1000;
  private readonly collections = new Map<string, Map<string, Stored>>();
  private history: Write[] = [];
  private readonly listeners = new Set<() => void>();
  private uids = 0;

  get(collection: string, namespace: string | undefined, name: string): Stored | undefined {
    return this.collections.get(collection)?.get(keyOf(namespace, name));
  }

  /** Returns the objects in the order of the API server: by namespace and name. */
  list(collection: string): Stored[] {
    return [...(this.collections.get(collection)?.entries() ?? [])]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  /** Returns the writes to a collection after a version. @throws ApiError 410 if they are compacted */
  since(collection: string, version: number): Write[] {
    if (version < this.compacted)
      throw new ApiError(410, `too old resource version: ${version} (${this.compacted})`, {
        reason: "Expired",
      });
    const first = this.history.findLastIndex((write) => write.version <= version) + 1;
    return this.history.slice(first).filter((write) => write.collection === collection);
  }

  /** Forgets the writes up to a version. */
  compact(version = this.version): void {
    this.compacted = version;
    this.history = this.history.filter((write) => write.version > version);
  }

  /** UIDs of the next objects that are created. Then `uid-1`, `uid-2`, ... */
  readonly nextUIDs: string[] = [];

  create(collection: string, object: Stored): Stored {
    const now = new Date(Date.now()).toISOString().replace(/\.\d+Z$/, "Z");
    const created = structuredClone(object);
    created.metadata.uid = this.nextUIDs.shift() ?? `uid-${++this.uids}`;
    created.metadata.creationTimestamp ??= now;
    created.metadata.generation = 1;
    return this.write(collection, undefined, created);
  }

  /** Replaces an object, unless it is equal. A terminating object without finalizers is deleted. */
  update(collection: string, old: Stored, object: Stored): Stored {
    const next = structuredClone(object);
    const { uid, creationTimestamp, deletionTimestamp, generation = 1 } = old.metadata;
    Object.assign(next.metadata, {
      uid,
      creationTimestamp,
      generation,
      resourceVersion: old.metadata.resourceVersion,
    });
    if (deletionTimestamp !== undefined) next.metadata.deletionTimestamp = deletionTimestamp;
    if (isDeepStrictEqual(next, old)) return old;
    if (deletionTimestamp !== undefined && !next.metadata.finalizers?.length)
      return this.remove(collection, next);
    if (!isDeepStrictEqual(desired(next), desired(old))) next.metadata.generation = generation + 1;
    return this.write(collection, old, next);
  }

  delete(collection: string, old: Stored): Stored {
    if (!old.metadata.finalizers?.length) return this.remove(collection, old);
    if (old.metadata.deletionTimestamp !== undefined) return old;
    const next = structuredClone(old);
    next.metadata.deletionTimestamp = new Date(Date.now()).toISOString().replace(/\.\d+Z$/, "Z");
    return this.write(collection, old, next);
  }

  /** Calls a listener after each write. @returns a function that removes the listener */
  onWrite(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private write(collection: string, old: Stored | undefined, object: Stored): Stored {
    object.metadata.resourceVersion = String(++this.version);
    const { namespace, name } = object.metadata;
    const objects = this.collections.get(collection) ?? new Map<string, Stored>();
    this.collections.set(collection, objects.set(keyOf(namespace, name), object));
    this.record({ version: this.version, collection, old, new: object });
    return object;
  }

  private remove(collection: string, object: Stored): Stored {
    const old = structuredClone(object);
    old.metadata.resourceVersion = String(++this.version);
    this.collections.get(collection)?.delete(keyOf(old.metadata.namespace, old.metadata.name));
    this.record({ version: this.version, collection, old });
    return old;
  }

  private record(write: Write): void {
    this.history.push(write);
    for (const listener of this.listeners) listener();
  }
}

/** Returns the fields whose change increments the generation. */
function desired({ metadata: _metadata, status: _status, ...rest }: Stored): object {
  return rest;
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}
