import { keyOf, pathOf, type ApiKind, type Kind, type KubernetesObject } from "../client/objects";
import type { Transport } from "../client/transport";
import type { Logger } from "../log";
import type { Metrics, ReflectorMetrics } from "../metrics";
import { Reflector, type Denial } from "./reflector";
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
  /**
   * Whether controllers start without a namespace whose list the API server denies (403, 404), and reconcile its objects once
   * it is permitted. Default: they wait for it.
   */
  readonly skipDenied?: boolean;
}

/** A list that the API server denies, or permits again. */
export interface DeniedList {
  readonly informer: string;
  readonly kind: ApiKind;
  /** Undefined for all namespaces, and for cluster-scoped objects. */
  readonly namespace?: string;
  /** Undefined if it is permitted again. */
  readonly denial?: Denial;
}

/** One list and watch, as probes see it. */
export type Informer = Pick<
  Reflector<KubernetesObject>,
  "name" | "synced" | "hasSynced" | "denied" | "lastContactMs" | "run"
>;

interface Entry<T extends KubernetesObject> {
  readonly kind: Kind<T>;
  readonly namespace?: string;
  /** Called when the list is permitted after it was denied. */
  readonly permitted: (() => void)[];
  readonly store: Store<T>;
  readonly reflector: Reflector<T>;
}

/**
 * Caches the objects that a process follows. The objects of a kind in one namespace, with one selector, are listed, watched and
 * stored once, however many controllers read them.
 */
export class Cache {
  private readonly entries = new Map<string, Entry<never>>();
  private readonly denialHandlers: ((list: DeniedList) => void)[] = [];

  constructor(private readonly options: CacheOptions) {}

  /** All lists and watches. */
  get informers(): readonly Informer[] {
    return [...this.entries.values()].map(({ reflector }) => reflector);
  }

  /** All lists that the API server denies now. */
  get denied(): readonly DeniedList[] {
    return [...this.entries.values()].flatMap(({ kind, namespace, reflector: { name: informer, denied } }) =>
      denied === undefined ? [] : [{ informer, kind, namespace, denial: denied }],
    );
  }

  /** Adds a handler of lists that the API server begins to deny, or permits again. */
  onDenial(handler: (list: DeniedList) => void): void {
    this.denialHandlers.push(handler);
  }

  /**
   * Returns the objects of a kind. They are followed once `run` is called; call this before.
   * @throws Error if the same objects are cached with another projection
   */
  objects<T extends KubernetesObject>(kind: Kind<T>, scope: Scope = {}): CachedObjects<T> {
    const { namespaces = "all", skipDenied = false } = scope;
    const each = namespaces === "all" ? [undefined] : [...new Set(namespaces)];
    const entries = each.map((namespace) => this.entry(kind, scope, namespace));
    return new CachedObjects(entries, skipDenied);
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
    const permitted: (() => void)[] = [];
    const onDenial = (denial?: Denial) => {
      if (denial === undefined) for (const handler of permitted) handler();
      for (const handler of this.denialHandlers) handler({ informer: name, kind, namespace, denial });
    };
    const reflector = new Reflector<T>({
      name,
      transport,
      path,
      query,
      project,
      store,
      log,
      metrics,
      onDenial,
    });
    const entry = { kind, namespace, store, reflector, permitted };
    this.entries.set(name, entry as unknown as Entry<never>);
    return entry;
  }
}

/** The cached objects of a kind in one or more namespaces. */
export class CachedObjects<T extends KubernetesObject> implements Objects<T> {
  /** Settles once the first lists are stored, or denied if those are skipped. */
  readonly synced: Promise<unknown>;

  constructor(
    private readonly entries: readonly Entry<T>[],
    private readonly skipDenied: boolean,
  ) {
    this.synced = Promise.all(
      entries.map(({ reflector }) => (skipDenied ? reflector.answered : reflector.synced)),
    );
  }

  /**
   * Checks whether the objects of a namespace are known: their list was read, and the API server does not deny it. True for
   * namespaces that are not cached, and if denied lists are not skipped: their controllers then wait for `synced`.
   */
  covers(namespace: string): boolean {
    if (!this.skipDenied) return true;
    return this.of(namespace).every(({ hasSynced, denied }) => hasSynced && denied === undefined);
  }

  /** Returns why the API server denies the list of a namespace; undefined if it does not. */
  deniedIn(namespace: string): Denial | undefined {
    return this.of(namespace).find(({ denied }) => denied !== undefined)?.denied;
  }

  /** Adds a handler of lists that are permitted after they were denied. Its namespace is undefined for all. */
  onPermitted(handler: (namespace: string | undefined) => void): void {
    if (!this.skipDenied) return;
    for (const { namespace, permitted } of this.entries) permitted.push(() => handler(namespace));
  }

  private of(namespace: string): Reflector<T>[] {
    const all = this.entries.filter((one) => one.namespace === undefined || one.namespace === namespace);
    return all.map(({ reflector }) => reflector);
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
  denied: nothing,
};
const NO_METRICS = { reflector: () => RECORDS_NOTHING };
