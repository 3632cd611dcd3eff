import type { KubernetesClient } from "../../kube/client";
import { pathOf, Reflector, Store } from "../../kube/runtime";
import type {
  Change,
  Indexes,
  Json,
  KubernetesObject,
  Logger,
  Metrics,
  PartReflector,
} from "../../kube/runtime";

export interface Source<T extends KubernetesObject> {
  /** Whose reflectors they are: the first part of their names. Default: checkpoints. */
  readonly part?: string;
  readonly kind: { readonly apiVersion: string; readonly plural: string };
  readonly namespaces: "all" | readonly string[];
  /** `labelSelector`, `fieldSelector`. */
  readonly query?: Readonly<Record<string, string>>;
  readonly project: (raw: Json) => T;
  readonly indexes: Indexes<T>;
  readonly client: KubernetesClient;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Objects of one kind in some namespaces or in all: a store has one writer, so each namespace has one of its own. */
export class Objects<T extends KubernetesObject> {
  readonly reflectors: readonly PartReflector[];
  private readonly stores: readonly Store<T>[];

  constructor({ part = "checkpoints", kind, namespaces, project, indexes, ...base }: Source<T>) {
    const scopes = namespaces === "all" ? [undefined] : [...new Set(namespaces)];
    const pairs = scopes.map((namespace) => {
      const store = new Store<T>(indexes);
      const name = `${part}/${kind.plural}${namespace === undefined ? "" : `/${namespace}`}`;
      return {
        store,
        reflector: new Reflector({ ...base, name, path: pathOf(kind, namespace), project, store }),
      };
    });
    this.stores = pairs.map(({ store }) => store);
    this.reflectors = pairs.map(({ reflector }) => reflector);
  }

  get(key: string): T | undefined {
    return this.stores.map((store) => store.get(key)).find((object) => object !== undefined);
  }

  list(): readonly T[] {
    return this.stores.flatMap((store) => store.list());
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.stores.flatMap((store) => store.byIndex(name, value));
  }

  onChange(handler: (change: Change<T>) => void): void {
    for (const store of this.stores) store.onChange(handler);
  }
}
