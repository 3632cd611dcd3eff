import { keyOf, type KubernetesObject } from "./objects";

/** One object came (`new` alone), changed (both) or went (`old` alone, as it was last seen). */
export interface Change<T> {
  readonly key: string;
  readonly old?: T;
  readonly new?: T;
}

/** For each index, the values under which an object is found. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/** Objects by `namespace/name` and by indexes. One reflector writes it. */
export class Store<T extends KubernetesObject> {
  private readonly objects = new Map<string, T>();
  private readonly handlers: ((change: Change<T>) => void)[] = [];
  private readonly indexed = new Map<string, Map<string, Map<string, T>>>();

  constructor(private readonly indexes: Indexes<T> = {}) {
    for (const name of Object.keys(indexes)) this.indexed.set(name, new Map());
  }

  get size(): number {
    return this.objects.size;
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  list(): readonly T[] {
    return [...this.objects.values()];
  }

  /** @throws Error if the store has no such index */
  byIndex(name: string, value: string): readonly T[] {
    const index = this.indexed.get(name);
    if (!index) throw new Error(`no index ${name}: the store has ${[...this.indexed.keys()].join(", ")}`);
    return [...(index.get(value)?.values() ?? [])];
  }

  /**
   * Handlers run one after the other, right after each change, and must be quick: they put keys into queues. An object
   * that was deleted and made anew under its name is two changes, however it was learned.
   */
  onChange(handler: (change: Change<T>) => void): void {
    this.handlers.push(handler);
  }

  /** Takes in an object as it now is. The same version again is no change. */
  set(object: T): void {
    const key = keyOf(object);
    const old = this.objects.get(key);
    if (old && old.metadata.uid !== object.metadata.uid) {
      try {
        this.delete(key);
      } finally {
        this.put(key, undefined, object);
      }
    } else if (old?.metadata.resourceVersion !== object.metadata.resourceVersion) {
      this.put(key, old, object);
    }
  }

  /** Handlers get the object as it was last seen. Nothing happens if there is none. */
  delete(key: string): void {
    const old = this.objects.get(key);
    if (!old) return;
    this.objects.delete(key);
    this.unindex(key, old);
    this.tell({ key, old });
  }

  private put(key: string, old: T | undefined, object: T): void {
    if (old) this.unindex(key, old);
    this.objects.set(key, object);
    for (const [name, valuesOf] of Object.entries(this.indexes)) {
      const index = this.indexed.get(name);
      for (const value of valuesOf(object)) {
        const found = index?.get(value);
        if (found) found.set(key, object);
        else index?.set(value, new Map([[key, object]]));
      }
    }
    this.tell({ key, ...(old ? { old } : {}), new: object });
  }

  private unindex(key: string, old: T): void {
    for (const [name, valuesOf] of Object.entries(this.indexes)) {
      const index = this.indexed.get(name);
      for (const value of valuesOf(old)) {
        const found = index?.get(value);
        found?.delete(key);
        if (found?.size === 0) index?.delete(value);
      }
    }
  }

  /** All handlers run, even if one throws; then its error is thrown. */
  private tell(change: Change<T>): void {
    const errors: unknown[] = [];
    for (const handler of this.handlers) {
      try {
        handler(change);
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
