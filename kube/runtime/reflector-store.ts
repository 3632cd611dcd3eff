import { at, textAt, type Json } from "./json";
import type { Logger } from "./log";
import { keyOf, type KubernetesObject } from "./objects";
import type { List } from "./reflector-list";
import type { Store } from "./store";

/** An item of a list: its key, and its projection if that did not fail. */
export interface Item<T> {
  readonly key: string;
  readonly object?: T;
}

/** Writes raw objects into a store. Neither a projection nor a handler that throws keeps the next object out. */
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
    this.guarded(key, "handler", () => this.store.delete(key));
  }

  /** Makes the store what the list is: what is not in it was deleted unseen. What could not be projected stays as known. */
  replace({ items }: List<Item<T>>): void {
    const listed = new Set(items.map(({ key }) => key));
    for (const known of this.store.list()) {
      const key = keyOf(known);
      if (!listed.has(key)) this.guarded(key, "handler", () => this.store.delete(key));
    }
    for (const { key, object } of items)
      if (object) this.guarded(key, "handler", () => this.store.set(object));
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
