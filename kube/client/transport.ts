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
  /** Until the whole response is read, waits for a busy API server included. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Cancels the request. `send` then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  /** `watch=true` is added to it. */
  readonly query?: Readonly<Record<string, string>>;
  /** Ends the watch; the iteration then ends without an error. */
  readonly signal: AbortSignal;
  /** The watch fails if nothing is received for this time. */
  readonly idleTimeoutMs: number;
  /** Called once the API server has accepted the watch, before the first event. */
  readonly onOpen?: () => void;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  /** The object after the change; before it for DELETED; only its resourceVersion for BOOKMARK; a Status for ERROR. */
  readonly object: Json;
}

/** Requests to a Kubernetes API, in raw JSON: no model in between drops fields. */
export interface Transport {
  /**
   * Sends one request.
   * @param path `/api/v1/nodes`, with or without a query
   * @returns the JSON of the response
   * @throws ApiError for an error response; Error without a complete response: the API server may then have executed the
   *   request. Only 429 with Retry-After is retried, because the request was not executed.
   */
  send(method: Method, path: string, body?: Body, options?: SendOptions): Promise<unknown>;
  /**
   * Watches once. The iteration ends when the API server ends the watch; ERROR events are passed on.
   * @throws ApiError for an error response; Error if the connection is lost or idle, or the response is not a watch
   */
  watch(path: string, options: WatchOptions): AsyncIterable<WatchEvent>;
}
