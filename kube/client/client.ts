import { isNotFound } from "./errors";
import type { Json } from "../../http";
import type { JsonPatchOperation } from "./json";
import { listAll } from "./list";
import { pathOf, type ApiKind, type Kind, type ObjectKey } from "./objects";
import type { Transport } from "./transport";

export interface ClientOptions {
  /** Name under which `managedFields` records each write. */
  readonly fieldManager: string;
  /** Called with each object that was read or written; a cache then has it before its watch. */
  readonly observe?: (kind: ApiKind, object: unknown) => void;
}

export interface RequestOptions {
  /** Ends the request; the method then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Until the whole response is read. Default: 30,000. */
  readonly timeoutMs?: number;
}

export interface ListOptions extends RequestOptions {
  /** Default: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /**
   * In one page. API servers before 1.34 read pages from etcd, and with a selector all objects for each: few selected ones
   * of many are found faster in their caches.
   */
  readonly whole?: boolean;
}

export interface WriteOptions extends RequestOptions {
  readonly subresource?: "status";
  /** Validates the write and does not store it. */
  readonly dryRun?: boolean;
  /** `Strict` rejects unknown fields. */
  readonly fieldValidation?: "Strict";
}

const POD = { apiVersion: "v1", kind: "Pod", plural: "pods" } as const;

/** An object without apiVersion and kind. */
type Fields = Readonly<Record<string, unknown>>;

/** The object to write. With a UID, the write fails for another object of the same name. */
export interface WriteTarget extends ObjectKey {
  readonly uid?: string;
}

/**
 * Reads and writes objects. All methods throw ApiError for an error response, and Error without a complete response: the
 * API server may then have executed the write.
 */
export class Client {
  constructor(
    readonly transport: Pick<Transport, "send">,
    private readonly options: ClientOptions,
  ) {}

  /** Returns the object, or undefined if there is none. */
  async get<T>(kind: Kind<T>, key: ObjectKey, options: RequestOptions = {}): Promise<T | undefined> {
    try {
      return this.read(kind, await this.send("GET", pathTo(kind, key), undefined, options));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Lists all objects, by default page by page. */
  async list<T>(kind: Kind<T>, options: ListOptions = {}): Promise<readonly T[]> {
    const { namespace, labelSelector, fieldSelector, whole = false, ...bounds } = options;
    const query = {
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    const path = pathOf(kind, namespace);
    const request = { transport: this.transport, path, query, whole, ...bounds };
    const { items } = await listAll(request, kind.project);
    return items;
  }

  /** Creates the object. @throws ApiError 409 if there is one of that name */
  create<T>(
    kind: Kind<T>,
    object: Fields & { readonly metadata: Partial<ObjectKey> },
    options: RequestOptions = {},
  ): Promise<T> {
    const { apiVersion, kind: name } = kind;
    const content = { apiVersion, kind: name, ...object };
    const path = pathOf(kind, object.metadata.namespace);
    return this.write("POST", kind, path, { type: "application/json", content }, options);
  }

  /** Applies the object (server-side apply) and takes over fields of other managers. */
  apply<T>(
    kind: Kind<T>,
    object: Fields & { readonly metadata: ObjectKey },
    options: WriteOptions = {},
  ): Promise<T> {
    const { apiVersion, kind: name } = kind;
    const body = { type: "application/apply-patch+yaml", content: { apiVersion, kind: name, ...object } };
    return this.write("PATCH", kind, pathTo(kind, object.metadata, options), body, options, {
      force: "true",
    });
  }

  /**
   * Applies the status, if the object still has this version. The version guards the write: in an apply to a status the API
   * server does not compare UIDs.
   * @throws ApiError 409 if the object has another version, 404 if it was deleted
   */
  applyStatus<T>(
    kind: Kind<T>,
    { name, namespace, resourceVersion }: ObjectKey & { readonly resourceVersion: string },
    status: object,
    options: RequestOptions = {},
  ): Promise<T> {
    const metadata = { name, namespace, resourceVersion };
    const object = { metadata, status };
    return this.apply(kind, object, { ...options, subresource: "status" });
  }

  /** @throws ApiError 422 if a test of the patch fails, 404 if the object was deleted */
  jsonPatch<T>(
    kind: Kind<T>,
    target: WriteTarget,
    operations: readonly JsonPatchOperation[],
    options: WriteOptions = {},
  ): Promise<T> {
    const { uid } = target;
    const guard = uid === undefined ? [] : [{ op: "test", path: "/metadata/uid", value: uid }];
    const body = { type: "application/json-patch+json", content: [...guard, ...operations] };
    return this.write("PATCH", kind, pathTo(kind, target, options), body, options);
  }

  /** Merges lists by their keys, as the built-in kinds define them. @throws ApiError 409 for another UID */
  strategicPatch<T>(
    kind: Kind<T>,
    target: WriteTarget,
    patch: object,
    options: WriteOptions = {},
  ): Promise<T> {
    const { uid } = target;
    const content = uid === undefined ? patch : { metadata: { uid }, ...patch };
    const body = { type: "application/strategic-merge-patch+json", content };
    return this.write("PATCH", kind, pathTo(kind, target, options), body, options);
  }

  /**
   * Deletes the object, if it exists.
   * @param options.uid deletes no other object of the same name
   * @param options.resourceVersion deletes only this version
   * @throws ApiError 409 if the object has another version or UID
   */
  async delete(
    kind: ApiKind,
    key: ObjectKey,
    {
      uid,
      resourceVersion,
      ...options
    }: RequestOptions & { readonly uid?: string; readonly resourceVersion?: string } = {},
  ): Promise<void> {
    const preconditions = { uid, resourceVersion };
    const content = { apiVersion: "v1", kind: "DeleteOptions", preconditions };
    const isGuarded = uid !== undefined || resourceVersion !== undefined;
    const body = isGuarded ? { type: "application/json", content } : undefined;
    try {
      await this.send("DELETE", pathTo(kind, key), body, options);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /**
   * Evicts a pod: PodDisruptionBudgets hold, and the pod ends as by a deletion.
   * @throws ApiError 429 if a budget does not permit it now, 404 if the pod was deleted, 409 for another UID
   */
  async evict({ name, namespace, uid }: Required<WriteTarget>, options: RequestOptions = {}): Promise<void> {
    const content = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name, namespace },
      deleteOptions: { preconditions: { uid } },
    };
    const path = `${pathOf(POD, namespace, name)}/eviction`;
    await this.send("POST", path, { type: "application/json", content }, options);
  }

  private async write<T>(
    method: "POST" | "PATCH",
    kind: Kind<T>,
    path: string,
    body: { readonly type: string; readonly content: unknown },
    { dryRun, fieldValidation, signal, timeoutMs }: WriteOptions,
    more: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const query = {
      fieldManager: this.options.fieldManager,
      ...more,
      ...(dryRun ? { dryRun: "All" } : {}),
      ...(fieldValidation ? { fieldValidation } : {}),
    };
    const raw = await this.send(method, path, body, { signal, timeoutMs }, query);
    return dryRun ? kind.project(raw) : this.read(kind, raw);
  }

  private async send(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body: { readonly type: string; readonly content: unknown } | undefined,
    bounds: RequestOptions,
    query?: Readonly<Record<string, string>>,
  ): Promise<Json> {
    return (await this.transport.send(method, path, body, { ...bounds, ...(query && { query }) })) as Json;
  }

  private read<T>(kind: Kind<T>, raw: Json): T {
    const object = kind.project(raw);
    this.options.observe?.(kind, object);
    return object;
  }
}

function pathTo(
  kind: ApiKind,
  { namespace, name }: ObjectKey,
  { subresource }: Pick<WriteOptions, "subresource"> = {},
): string {
  const path = pathOf(kind, namespace, name);
  return subresource === undefined ? path : `${path}/${subresource}`;
}
