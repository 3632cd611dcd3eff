import type { KubernetesClient, SendOptions } from "../client";

/** What tells whether we may write. `LeaderElector` is one. */
export interface Fence {
  /** Whether a write may start now. */
  mayWrite(): boolean;
  /** How long a write that starts now may take, ms. */
  remainingMs(): number;
}

/** A write was asked for without the lease. Nothing was sent. */
export class NotLeaderError extends Error {
  override readonly name = "NotLeaderError";
}

/**
 * The client, but without the lease it writes nothing, and gives up every write before another can hold the lease. Reads
 * and watches pass. A dry run counts as a write.
 *
 * @throws NotLeaderError by `send`, for a write without the lease
 */
export function fenced(client: KubernetesClient, fence: Fence): KubernetesClient {
  return {
    watch: (path, options) => client.watch(path, options),
    send: async (method, path, body, options) => {
      if (method === "GET") return client.send(method, path, body, options);
      const remainingMs = Math.floor(fence.remainingMs());
      if (!fence.mayWrite() || remainingMs <= 0)
        throw new NotLeaderError(`${method} ${path}: not sent, this process does not hold the lease`);
      return client.send(method, path, body, bounded(options, remainingMs));
    },
  };
}

/** The API server gives up by then too, also a request that it had to queue: by the query's `timeout`. */
function bounded(options: SendOptions = {}, remainingMs: number): SendOptions {
  const timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, remainingMs);
  return { ...options, timeoutMs, query: { ...options.query, timeout: `${timeoutMs}ms` } };
}

/** That of `send`. */
const DEFAULT_TIMEOUT_MS = 30_000;
