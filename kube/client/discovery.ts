import { isNotFound } from "./errors";
import { rawKind, type Kind, type ObjectKey } from "./objects";
import type { Transport } from "./transport";

/** Fields of an object that address it. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectKey;
}

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly namespaced: boolean;
}

/** Finds the resources of objects by what the API server serves; requests each group version once. */
export class Discovery {
  private readonly groups = new Map<string, Promise<readonly Resource[]>>();

  constructor(private readonly transport: Pick<Transport, "send">) {}

  /** Returns kind and key of the object, or undefined if the kind is not served. */
  async find({
    apiVersion,
    kind,
    metadata: { name, namespace },
  }: ObjectReference): Promise<{ readonly kind: Kind; readonly key: ObjectKey } | undefined> {
    const resource = (await this.resources(apiVersion)).find((candidate) => candidate.kind === kind);
    if (resource === undefined) return undefined;
    return {
      kind: rawKind(apiVersion, kind, resource.name),
      key: resource.namespaced ? { name, namespace: namespace ?? "default" } : { name },
    };
  }

  private resources(apiVersion: string): Promise<readonly Resource[]> {
    const known = this.groups.get(apiVersion);
    if (known) return known;
    const path = `${apiVersion.includes("/") ? "/apis" : "/api"}/${apiVersion}`;
    const requested = this.transport.send("GET", path).then(
      (list) => (list as { resources: Resource[] }).resources.filter(({ name }) => !name.includes("/")),
      (error: unknown) => {
        if (isNotFound(error)) return [];
        throw error;
      },
    );
    this.groups.set(apiVersion, requested);
    return requested;
  }
}
