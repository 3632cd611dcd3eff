import { isOlder, keyOf, type KubernetesObject } from "../client/objects";
import type { Json } from "../../http";
import { at, textAt } from "../client/json";
import type { Logger } from "../log";
import type { List } from "../client/list";
import { Turn } from "../turn";

/** Objects of a list after which other events are handled. */
const OBJECTS_PER_TURN = 100;

/** One object was created (`new` alone), changed (both) or deleted (`old` alone, as it was last seen). */
export interface Change<T> {
  readonly key: string;
  readonly old?: T;
  readonly new?: T;
}

/** Returns the objects that are indexed under a value. */
export type Index<T> = (value: string) => readonly T[];

/** Cached objects for readers. */
export interface Objects<T> {
  /** @param key `namespace/name`, or `name` for cluster-scoped objects */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Adds an index. */
  index(valuesOf: (object: T) => readonly string[]): Index<T>;
  /**
   * Adds a handler. Handlers run one after the other, right after each change, and must be quick: they put keys into queues.
   * An object that was deleted and created again under its name is two changes.
   */
  onChange(handler: (change: Change<T>) => void): void;
}

interface IndexData<T> {
  readonly valuesOf: (object: T) => readonly string[];
  /** A value that one object has needs no set: of 50,000 objects, each index by name or UID would have as many. */
  readonly objects: Map<string, T | Set<T>>;
}

/** The objects of one list and watch, by key and by indexes. One reflector writes them. */
export class Store<T extends KubernetesObject> implements Objects<T> {
  private readonly objects = new Map<string, T>();
  private readonly handlers: ((change: Change<T>) => void)[] = [];
  private readonly indexes: IndexData<T>[] = [];
  /** Keys of objects that a response delivered before the watch, and what the watch delivered last. */
  private readonly ahead = new Map<string, T | undefined>();

  get size(): number {
    return this.objects.size;
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  list(): readonly T[] {
    return [...this.objects.values()];
  }

  index(valuesOf: (object: T) => readonly string[]): Index<T> {
    const index: IndexData<T> = { valuesOf, objects: new Map() };
    this.indexes.push(index);
    for (const object of this.objects.values()) add(index, object);
    return (value) => {
      const found = index.objects.get(value);
      if (found === undefined) return [];
      return found instanceof Set ? [...found] : [found];
    };
  }

  onChange(handler: (change: Change<T>) => void): void {
    this.handlers.push(handler);
  }

  /**
   * Stores the object of a response to a read or write, if it is newer than the stored one: the process reads its own writes
   * before the watch delivers them. An object that is not stored is ignored: it was deleted, or the watch is about to
   * deliver it.
   */
  observe(object: T): void {
    const key = keyOf(object);
    const known = this.objects.get(key);
    if (!known || !isOlder(known.metadata.resourceVersion, object.metadata.resourceVersion)) return;
    if (!this.ahead.has(key)) this.ahead.set(key, known);
    this.replace(key, known, object);
  }

  /** Stores an object that the API server delivered. The same version again is not a change. */
  set(object: T): void {
    const key = keyOf(object);
    const known = this.objects.get(key);
    if (this.isAheadOf(key, object.metadata.resourceVersion)) {
      this.ahead.set(key, object);
      return;
    }
    this.ahead.delete(key);
    if (known?.metadata.uid !== object.metadata.uid) this.replace(key, known, object);
    else if (known.metadata.resourceVersion !== object.metadata.resourceVersion)
      this.replace(key, known, object);
  }

  /**
   * Removes an object. Handlers get it as it was last seen. Nothing happens if there is none.
   * @param version of the deletion, or of a list without the object
   */
  delete(key: string, version?: string): void {
    const known = this.objects.get(key);
    if (!known) return;
    if (version !== undefined && this.isAheadOf(key, version)) {
      this.ahead.set(key, undefined);
      return;
    }
    this.ahead.delete(key);
    this.remove(key, known);
  }

  /**
   * Notes that the watch has delivered all changes up to a version. An object of a later response that it has not delivered
   * by then does not exist: etcd was restored from a backup. The store then returns to what the watch delivered.
   */
  progress(version: string): void {
    for (const [key, watched] of this.ahead) {
      if (this.isAheadOf(key, version)) continue;
      this.ahead.delete(key);
      const known = this.objects.get(key);
      if (!known) continue;
      if (watched) this.replace(key, known, watched);
      else this.remove(key, known);
    }
  }

  /** Notes that the history was replaced by an older one: from now on the watch takes precedence. */
  reset(): void {
    this.ahead.clear();
  }

  /** Checks whether a response delivered the object at a later version. */
  private isAheadOf(key: string, version: string): boolean {
    const known = this.ahead.has(key) ? this.objects.get(key) : undefined;
    return known !== undefined && isOlder(version, known.metadata.resourceVersion);
  }

  private replace(key: string, known: T | undefined, object: T): void {
    if (!known || known.metadata.uid === object.metadata.uid) return this.put(key, known, object);
    try {
      this.remove(key, known);
    } finally {
      this.put(key, undefined, object);
    }
  }

  private put(key: string, old: T | undefined, object: T): void {
    if (old) for (const index of this.indexes) drop(index, old);
    this.objects.set(key, object);
    for (const index of this.indexes) add(index, object);
    this.notify({ key, ...(old ? { old } : {}), new: object });
  }

  private remove(key: string, old: T): void {
    this.objects.delete(key);
    for (const index of this.indexes) drop(index, old);
    this.notify({ key, old });
  }

  /** Runs all handlers, even if one throws; then throws its error. */
  private notify(change: Change<T>): void {
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

function add<T>({ valuesOf, objects }: IndexData<T>, object: T): void {
  for (const value of valuesOf(object)) {
    const found = objects.get(value);
    if (found === undefined) objects.set(value, object);
    else if (found instanceof Set) found.add(object);
    else if (found !== object) objects.set(value, new Set([found, object]));
  }
}

function drop<T>({ valuesOf, objects }: IndexData<T>, object: T): void {
  for (const value of valuesOf(object)) {
    const found = objects.get(value);
    if (found === object) objects.delete(value);
    if (!(found instanceof Set)) continue;
    found.delete(object);
    if (found.size === 0) objects.delete(value);
  }
}

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

  /**
   * Makes the store equal to the list: missing objects were deleted. Objects whose projection failed stay as known. Other events are
   * handled meanwhile.
   */
  async replace({ items, resourceVersion }: List<Item<T>>): Promise<void> {
    const turn = new Turn(OBJECTS_PER_TURN);
    const listed = new Set(items.map(({ key }) => key));
    for (const known of this.store.list()) {
      const key = keyOf(known);
      if (listed.has(key)) continue;
      this.guarded(key, "handler", () => this.store.delete(key, resourceVersion));
      await turn.next();
    }
    for (const { key, object } of items) {
      if (object) this.guarded(key, "handler", () => this.store.set(object));
      await turn.next();
    }
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
