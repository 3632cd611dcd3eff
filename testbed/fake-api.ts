import { setMaxListeners } from "node:events";
import {
  ApiError,
  type Body,
  type Transport,
  type Method,
  type SendOptions,
  type WatchEvent,
  type WatchOptions,
} from "../kube/client";
import { Objects, type Stored } from "./fake-api-objects";
import { patched } from "./fake-api-patch";
import { isBuiltIn, parsePath, type Target } from "./fake-api-path";
import { selector } from "./fake-api-select";
import { openWatch, type OpenWatch } from "./fake-api-watch";

export type { Stored } from "./fake-api-objects";
export type { OpenWatch } from "./fake-api-watch";

/** A request, as in `log` and in hooks. */
export interface FakeRequest {
  readonly method: Method | "WATCH";
  /** Path without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body?: Body;
}

type Hook = (request: FakeRequest) => void | Promise<void>;
type Given = { readonly metadata: { readonly name: string; readonly namespace?: string } };

/**
 * A fake API server for unit tests, with versions, conflicts, pages, watches, patches, the status subresource and finalizers
 * as in Kubernetes. It checks no schemas, and apply is a merge patch. It serves any resource path.
 */
export class FakeApi implements Transport {
  /** Requests in the order of arrival. */
  readonly log: FakeRequest[] = [];
  /** Runs before each request: can throw a fault, wait, or write as another client. */
  before?: Hook;
  /** Runs after each request, before its response: can throw to lose the response. */
  after?: Hook;
  private readonly objects = new Objects();
  private readonly pages = new Map<string, { version: string; rest: Stored[] }>();
  private pageCount = 0;
  private readonly open = new Set<OpenWatch>();

  /** Open watches. */
  get watches(): readonly OpenWatch[] {
    return [...this.open];
  }

  /** Requests of the log other than reads. */
  get writes(): readonly FakeRequest[] {
    return this.log.filter(({ method }) => method !== "GET" && method !== "WATCH");
  }

  async send(method: Method, path: string, body?: Body, options: SendOptions = {}): Promise<unknown> {
    const target = parsePath(path, options.query);
    const request = this.record(method, path, target, body);
    const work = async () => {
      await this.before?.(request);
      const response = this.respond(method, target, body);
      await this.after?.(request);
      return structuredClone(response);
    };
    return within(options, work);
  }

  async *watch(path: string, options: WatchOptions): AsyncGenerator<WatchEvent> {
    const target = parsePath(path, options.query);
    const request = this.record("WATCH", path, target);
    await within({ timeoutMs: options.idleTimeoutMs, signal: options.signal }, async () =>
      this.before?.(request),
    );
    const { watch, events } = openWatch(this.objects, target, options);
    this.open.add(watch);
    options.onOpen?.();
    try {
      yield* events;
    } finally {
      this.open.delete(watch);
    }
  }

  /** Returns an object, or undefined. */
  get(path: string): Stored | undefined {
    const { collection, namespace, name } = parsePath(path);
    return structuredClone(this.objects.get(collection, namespace, name ?? ""));
  }

  /** Creates or replaces an object with its status, as another client. `path` is the collection in all namespaces. */
  put(path: string, object: Given): Stored {
    const { collection } = parsePath(path);
    const given = structuredClone(object) as unknown as Stored;
    const old = this.objects.get(collection, given.metadata.namespace, given.metadata.name);
    const stored = old ? this.objects.update(collection, old, given) : this.objects.create(collection, given);
    return structuredClone(stored);
  }

  /** Creates an object with this UID, as another client. `path` is the collection in all namespaces. */
  putWithUID(path: string, uid: string, object: Given): Stored {
    this.objects.nextUIDs.push(uid);
    return this.put(path, object);
  }

  /** Changes an object, as another client. */
  edit(path: string, change: (object: Stored) => void): Stored {
    const { collection, namespace, name } = parsePath(path);
    const old = this.objects.get(collection, namespace, name ?? "");
    if (!old) throw new Error(`FakeApi has no ${path}`);
    const next = structuredClone(old);
    change(next);
    return structuredClone(this.objects.update(collection, old, next));
  }

  /** Deletes an object in spite of finalizers, as another client. */
  remove(path: string): void {
    const { collection, namespace, name } = parsePath(path);
    const old = this.objects.get(collection, namespace, name ?? "");
    if (old) this.objects.delete(collection, { ...old, metadata: { ...old.metadata, finalizers: [] } });
  }

  /** Compacts the history up to a version: older watches, and lists with an older `continue`, get 410. Default: all of it. */
  compact(version = this.version): void {
    this.objects.compact(version);
    for (const [token, page] of this.pages) if (Number(page.version) <= version) this.pages.delete(token);
  }

  /** Version of the last write. */
  get version(): number {
    return this.objects.version;
  }

  private record(method: Method | "WATCH", path: string, target: Target, body?: Body): FakeRequest {
    const request = {
      method,
      path: path.split("?", 1)[0] ?? "",
      query: Object.fromEntries(target.query),
      ...(body ? { body: structuredClone(body) } : {}),
    };
    this.log.push(request);
    return request;
  }

  private respond(method: Method, target: Target, body?: Body): unknown {
    if (target.name === undefined) {
      if (method === "GET") return this.list(target);
      if (method === "POST") return this.create(target, body?.content as Stored);
      throw apiError(405, "MethodNotAllowed", `${method} of a collection`);
    }
    const { collection, namespace, name } = target;
    const old = this.objects.get(collection, namespace, name);
    if (!old) {
      if (method === "PATCH" && body?.type === "application/apply-patch+yaml" && !target.subresource)
        return this.create(target, body.content as Stored);
      throw apiError(404, "NotFound", `${collection} "${name}" not found`);
    }
    switch (method) {
      case "GET":
        return old;
      case "PUT":
        return this.update(target, old, body?.content as Stored);
      case "PATCH":
        return this.update(target, old, patched(old, required(body)) as Stored);
      case "DELETE":
        return this.delete(target, old, body?.content as DeleteOptions | undefined);
      default:
        throw apiError(405, "MethodNotAllowed", `${method} of an object`);
    }
  }

  private list({ collection, namespace, apiVersion, query }: Target): unknown {
    const token = query.get("continue");
    const page = token
      ? this.pages.get(token)
      : {
          version: String(this.objects.version),
          rest: this.objects.list(collection).filter(selector(namespace, query)),
        };
    if (!page) throw apiError(410, "Expired", "The provided continue parameter is too old");
    const limit = Number(query.get("limit") ?? 0) || page.rest.length;
    const items = page.rest.slice(0, limit);
    const metadata: Record<string, unknown> = { resourceVersion: page.version };
    if (page.rest.length > limit) {
      const next = `page-${++this.pageCount}`;
      metadata["continue"] = next;
      metadata["remainingItemCount"] = page.rest.length - limit;
      this.pages.set(next, { version: page.version, rest: page.rest.slice(limit) });
    }
    const bare = ({ apiVersion: _v, kind: _k, ...rest }: Stored) => rest;
    return { kind: "List", apiVersion, metadata, items: isBuiltIn(apiVersion) ? items.map(bare) : items };
  }

  private create(target: Target, given: Stored): Stored {
    const object = structuredClone(given);
    const { generateName } = object.metadata as { generateName?: string };
    const name = object.metadata.name ?? `${generateName}${String(this.objects.version).padStart(5, "0")}`;
    object.metadata = { ...object.metadata, name };
    if (target.namespace !== undefined) object.metadata.namespace = target.namespace;
    if (this.objects.get(target.collection, target.namespace, name))
      throw apiError(409, "AlreadyExists", `${target.collection} "${name}" already exists`);
    return dryRun(target) ? object : this.objects.create(target.collection, object);
  }

  private update(target: Target, old: Stored, given: Stored): Stored {
    const { uid = old.metadata.uid, resourceVersion = old.metadata.resourceVersion } =
      given.metadata as Partial<Stored["metadata"]>;
    if (uid !== old.metadata.uid || resourceVersion !== old.metadata.resourceVersion)
      throw apiError(
        409,
        "Conflict",
        `Operation cannot be fulfilled on "${target.name}": it has been modified`,
      );
    const next =
      target.subresource === "status"
        ? { ...old, status: given["status"] }
        : { ...given, status: old["status"] };
    if (next["status"] === undefined) delete (next as { status?: unknown }).status;
    return dryRun(target) ? next : this.objects.update(target.collection, old, next);
  }

  private delete(target: Target, old: Stored, options: DeleteOptions = {}): unknown {
    const { uid = old.metadata.uid, resourceVersion = old.metadata.resourceVersion } =
      options.preconditions ?? {};
    if (uid !== old.metadata.uid || resourceVersion !== old.metadata.resourceVersion)
      throw apiError(409, "Conflict", `the precondition of the deletion of "${target.name}" does not hold`);
    return dryRun(target) ? old : this.objects.delete(target.collection, old);
  }
}

interface DeleteOptions {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

function dryRun({ query }: Target): boolean {
  return query.get("dryRun") === "All";
}

function required(body: Body | undefined): Body {
  if (!body) throw apiError(400, "BadRequest", "a patch needs a body");
  return body;
}

function apiError(status: number, reason: string, message: string): ApiError {
  return new ApiError(status, message, { reason });
}

/** Limits a request by timeout and signal, as the real client does. */
function within<T>({ timeoutMs = 30_000, signal }: SendOptions, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => reject(signal?.reason);
    const timer = setTimeout(() => reject(new Error(`no response within ${timeoutMs / 1000} s`)), timeoutMs);
    if (signal) setMaxListeners(0, signal); // as the real client does
    signal?.addEventListener("abort", abort);
    work()
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      });
  });
}
