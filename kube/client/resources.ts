import type { KubernetesClient } from "./client";
import { ApiError } from "./error";

/** What is needed of an object to address it. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly namespaced: boolean;
}

/** Addresses objects by what the API server says of its kinds; asks for each group once. */
export class Resources {
  private readonly groups = new Map<string, Promise<readonly Resource[]>>();

  constructor(private readonly api: Pick<KubernetesClient, "send">) {}

  /** The live object, or undefined if there is none. */
  async get(object: ObjectReference): Promise<unknown> {
    const path = await this.pathOf(object);
    try {
      return path === undefined ? undefined : await this.api.send("GET", path);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * What a server-side apply would make of the object, without making it. Unknown fields are an error.
   * @throws ApiError as the API server refuses it; status 404 if the kind is not served or the namespace is missing.
   */
  async dryRunApply(object: ObjectReference, fieldManager: string): Promise<unknown> {
    const path = await this.pathOf(object);
    if (path === undefined)
      throw new ApiError(404, `the API server has no kind ${object.apiVersion} ${object.kind}`);
    const query = new URLSearchParams({
      dryRun: "All",
      fieldManager,
      fieldValidation: "Strict",
      force: "true",
    });
    return this.api.send("PATCH", `${path}?${query.toString()}`, {
      type: "application/apply-patch+yaml",
      content: object,
    });
  }

  private async pathOf({ apiVersion, kind, metadata }: ObjectReference): Promise<string | undefined> {
    const group = `${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}`;
    const resource = (await this.list(group)).find((candidate) => candidate.kind === kind);
    if (resource === undefined) return undefined;
    const namespace = resource.namespaced
      ? `namespaces/${encodeURIComponent(metadata.namespace ?? "default")}/`
      : "";
    return `${group}/${namespace}${resource.name}/${encodeURIComponent(metadata.name)}`;
  }

  private list(group: string): Promise<readonly Resource[]> {
    const known = this.groups.get(group);
    if (known) return known;
    const asked = this.api.send("GET", group).then(
      (answer) => (answer as { resources: Resource[] }).resources.filter(({ name }) => !name.includes("/")),
      (error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return [];
        throw error;
      },
    );
    this.groups.set(group, asked);
    return asked;
  }
}
