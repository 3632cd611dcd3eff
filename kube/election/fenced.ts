import type { SendOptions, Transport } from "../client/transport";

/** Decides whether this process may write. `LeaderElector` is one. */
export interface Fence {
  /** Checks whether a write may start now. */
  mayWrite(): boolean;
  /** Returns how long a write that starts now may take, ms. */
  remainingMs(): number;
}

/** Reports that a write was not sent, because this process does not hold the lease. */
export class NotLeaderError extends Error {
  override readonly name = "NotLeaderError";
}

/**
 * Wraps a transport: without the lease it rejects writes, and it ends every write before another process can hold the
 * lease. Reads and watches pass. A dry run counts as a write.
 *
 * @throws NotLeaderError by `send`, for a write without the lease
 */
export function fenced(transport: Transport, fence: Fence): Transport {
  return {
    watch: (path, options) => transport.watch(path, options),
    send: async (method, path, body, options) => {
      if (method === "GET") return transport.send(method, path, body, options);
      const remainingMs = Math.floor(fence.remainingMs());
      if (!fence.mayWrite() || remainingMs <= 0)
        throw new NotLeaderError(`${method} ${path}: not sent, this process does not hold the lease`);
      return transport.send(method, path, body, bounded(options, remainingMs));
    },
  };
}

/** Bounds the request also in the API server, which may have queued it: by the query's `timeout`. */
function bounded(options: SendOptions = {}, remainingMs: number): SendOptions {
  const timeoutMs = Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, remainingMs);
  return { ...options, timeoutMs, query: { ...options.query, timeout: `${timeoutMs}ms` } };
}

/** Default timeout of `send`. */
const DEFAULT_TIMEOUT_MS = 30_000;
