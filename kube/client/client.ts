import type { Json } from "../../http";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Body {
  /** Content type: `application/json-patch+json`, `application/apply-patch+yaml`, ... */
  readonly type: string;
  /** Sent as JSON. */
  readonly content: unknown;
}

export interface SendOptions {
  /** Added to the path's own query. */
  readonly query?: Readonly<Record<string, string>>;
  /** Until the whole answer is read, waits for a busy API server included. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Ends the request at once; `send` then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  /** `watch=true` is added to it. */
  readonly query?: Readonly<Record<string, string>>;
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal: AbortSignal;
  /** The watch fails if nothing at all is received for so long. */
  readonly idleTimeoutMs: number;
  /** Called once the API server has taken the watch up, before the first event. */
  readonly onOpen?: () => void;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  /** The object after the change; before it for DELETED; only its resourceVersion for BOOKMARK; a Status for ERROR. */
  readonly object: Json;
}

/** A Kubernetes API by raw JSON: what is sent and received is not passed through a model that drops fields. */
export interface KubernetesClient {
  /**
   * @param path `/api/v1/nodes`, with or without a query
   * @returns the answer's JSON
   * @throws ApiError for an answer other than 2xx; Error where there is no whole answer, and then the API server may or
   *   may not have done it. Only 429 with Retry-After is waited for and sent again, because it was not done.
   */
  send(method: Method, path: string, body?: Body, options?: SendOptions): Promise<unknown>;
  /**
   * One watch. The iteration ends when the API server ends the watch; ERROR events are handed on.
   *
   * @throws ApiError for an answer other than 2xx; Error if the connection is cut, silent or no watch is answered.
   */
  watch(path: string, options: WatchOptions): AsyncIterable<WatchEvent>;
}
