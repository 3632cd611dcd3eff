import { keyOf, pathOf, type ApiKind, type Kind, type KubernetesObject } from "../client/objects";
import type { Transport } from "../client/transport";
import type { Logger } from "../log";
import type { Metrics, ReflectorMetrics } from "../metrics";
import { Reflector } from "./reflector";
import { Store, type Change, type Index, type Objects } from "./store";

export interface CacheOptions {
  readonly transport: Transport;
  readonly log: Logger;
  /** Default: none are recorded. */
  readonly metrics?: Pick<Metrics, "reflector">;
}

/** The objects of a kind that are cached. */
export interface Scope {
  /** Default: all. */
  readonly namespaces?: "all" | readonly string[];
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** One list and watch, as probes see it. */
export type Informer = Pick<
  Reflector<KubernetesObject>,
  "name" | "synced" | "hasSynced" | "lastContactMs" | "run"
>;

interface Entry<T extends KubernetesObject> {
  readonly kind: Kind<T>;
  readonly store: Store<T>;
  readonly reflector: Reflector<T>;
}

/**
 * Caches the objects that a process follows. The objects of a kind in one namespace, with one selector, are listed, watched and
 * stored once, however many controllers read them.
 */
export class Cache {
  private readonly entries = new Map<string, Entry<never>>();

  constructor(private readonly options: CacheOptions) {}

  /** All lists and watches. */
  get informers(): readonly Informer[] {
    return [...this.entries.values()].map(({ reflector }) => reflector);
  }

  /**
   * Returns the objects of a kind. They are followed once `run` is called; call this before.
   * @throws Error if the same objects are cached with another projection
   */
  objects<T extends KubernetesObject>(kind: Kind<T>, scope: Scope = {}): CachedObjects<T> {
    const { namespaces = "all" } = scope;
    const each = namespaces === "all" ? [undefined] : [...new Set(namespaces)];
    return new CachedObjects(each.map((namespace) => this.entry(kind, scope, namespace)));
  }

  /** Stores the object of a response to a read or write, wherever its kind is cached. */
  observe(kind: ApiKind, object: unknown): void {
    for (const entry of this.entries.values()) if (entry.kind === kind) entry.store.observe(object as never);
  }

  /** Follows all objects until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.entries.values()].map(({ reflector }) => reflector.run(signal)));
  }

  private entry<T extends KubernetesObject>(
    kind: Kind<T>,
    { labelSelector, fieldSelector }: Scope,
    namespace: string | undefined,
  ): Entry<T> {
    const query = {
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    const name = nameOf(kind, namespace, Object.values(query));
    const known = this.entries.get(name);
    if (known) {
      if (known.kind !== (kind as ApiKind)) throw new Error(`${name} is cached with another projection`);
      return known as unknown as Entry<T>;
    }
    const store = new Store<T>();
    const { transport, log, metrics = NO_METRICS } = this.options;
    const path = pathOf(kind, namespace);
    const { project } = kind;
    const reflector = new Reflector<T>({ name, transport, path, query, project, store, log, metrics });
    const entry = { kind, store, reflector };
    this.entries.set(name, entry as unknown as Entry<never>);
    return entry;
  }
}

/** The cached objects of a kind in one or more namespaces. */
export class CachedObjects<T extends KubernetesObject> implements Objects<T> {
  /** Settles once the first lists are stored. */
  readonly synced: Promise<unknown>;

  constructor(private readonly entries: readonly Entry<T>[]) {
    this.synced = Promise.all(entries.map(({ reflector }) => reflector.synced));
  }

  get(key: string): T | undefined {
    return this.entries.map(({ store }) => store.get(key)).find((object) => object !== undefined);
  }

  list(): readonly T[] {
    return this.entries.flatMap(({ store }) => store.list());
  }

  index(valuesOf: (object: T) => readonly string[]): Index<T> {
    const indexes = this.entries.map(({ store }) => store.index(valuesOf));
    return (value) => indexes.flatMap((index) => index(value));
  }

  /**
   * Waits until all changes up to this version of a cached object are in the cache: a write, whose response is newer than the
   * watch, is a barrier for what was written before it.
   * @returns false after the timeout, or if the object is not cached
   */
  async includes(object: T, timeoutMs: number): Promise<boolean> {
    const entry = this.entries.find(({ store }) => store.get(keyOf(object)) !== undefined);
    return (await entry?.reflector.delivers(object.metadata.resourceVersion, timeoutMs)) ?? false;
  }

  onChange(handler: (change: Change<T>) => void): void {
    for (const { store } of this.entries) store.onChange(handler);
  }
}

/** `pods/team-a[cedana.ai/restored-from]`: name of an informer in metrics, probes and logs. */
function nameOf({ plural }: ApiKind, namespace: string | undefined, selectors: readonly string[]): string {
  const scope = namespace === undefined ? "" : `/${namespace}`;
  return `${plural}${scope}${selectors.length === 0 ? "" : `[${selectors.join(",")}]`}`;
}

const nothing = () => {};
const RECORDS_NOTHING: ReflectorMetrics = {
  listed: nothing,
  watched: nothing,
  failed: nothing,
  contact: nothing,
};
const NO_METRICS = { reflector: () => RECORDS_NOTHING };
