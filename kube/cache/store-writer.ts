import type { Json } from "../../http";
import { at, textAt } from "../client/json";
import type { Logger } from "../log";
import { keyOf, type KubernetesObject } from "../client/objects";
import type { List } from "../client/list";
import type { Store } from "./store";

/** An item of a list: its key, and its projection unless that failed. */
export interface Item<T> {
  readonly key: string;
  readonly object?: T;
}

/** Projects raw objects and writes them into a store. A projection or handler that throws affects no other object. */
export class StoreWriter<T extends KubernetesObject> {
  constructor(
    private readonly store: Store<T>,
    private readonly project: (raw: Json) => T,
    private readonly log: Logger,
  ) {}

  /** @throws Error if the raw object has no name */
  item(raw: Json): Item<T> {
    const key = rawKey(raw);
    return { key, object: this.guarded(key, "projection", () => this.project(raw)) };
  }

  /** @throws Error if the raw object has no name */
  set(raw: Json): void {
    const { key, object } = this.item(raw);
    if (object) this.guarded(key, "handler", () => this.store.set(object));
  }

  /** @throws Error if the raw object has no name */
  delete(raw: Json): void {
    const key = rawKey(raw);
    const version = textAt(raw, "metadata", "resourceVersion");
    this.guarded(key, "handler", () => this.store.delete(key, version));
  }

  /** Makes the store equal to the list: missing objects were deleted. Objects whose projection failed stay as known. */
  replace({ items, resourceVersion }: List<Item<T>>): void {
    const listed = new Set(items.map(({ key }) => key));
    for (const known of this.store.list()) {
      const key = keyOf(known);
      if (!listed.has(key)) this.guarded(key, "handler", () => this.store.delete(key, resourceVersion));
    }
    for (const { key, object } of items)
      if (object) this.guarded(key, "handler", () => this.store.set(object));
  }

  /** Notes that all changes up to the version are stored. */
  progress(version: string): void {
    this.guarded(version, "handler", () => this.store.progress(version));
  }

  private guarded<R>(key: string, what: string, work: () => R): R | undefined {
    try {
      return work();
    } catch (error) {
      this.log.error({ key, err: error }, `${what} failed`);
      return undefined;
    }
  }
}

function rawKey(raw: Json): string {
  const name = textAt(raw, "metadata", "name");
  if (name === undefined)
    throw new Error(`an object without a name: ${JSON.stringify(at(raw, "metadata") ?? raw).slice(0, 200)}`);
  return keyOf({ metadata: { name, namespace: textAt(raw, "metadata", "namespace") } });
}
