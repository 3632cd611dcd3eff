import type { Random } from "../../../support/random";

/** Faults between a client and its API server. */
export const FAULTS = {
  conflict: "409 Conflict",
  gone: "410 Gone for a list or a watch",
  invalid: "422 Invalid, as for a failed `test` of a JSON Patch",
  throttled: "429 with Retry-After: 1",
  throttledBare: "429 without Retry-After",
  serverError: "500",
  unavailable: "503",
  reset: "connection closed before the request reaches the server",
  noResponse: "the request does not reach the server and gets no response",
  slow: "response delayed by 1 to 8 s",
  responseLost: "the server executes the request, the connection is closed before its response",
  watchCut: "watch closed after 1 to 30 s",
  watchSilent: "watch half-open after 1 to 30 s: no further bytes, and no end",
  watchTruncated: "watch closed in the middle of a line",
  watchGone: "watch with the event ERROR 410",
  noBookmarks: "watch without bookmarks",
} as const;
export type Fault = keyof typeof FAULTS;
export const ALL_FAULTS = Object.keys(FAULTS) as Fault[];

const ON_WATCH: readonly Fault[] = [
  "watchCut",
  "watchSilent",
  "watchTruncated",
  "watchGone",
  "noBookmarks",
  "gone",
  "throttled",
  "throttledBare",
  "serverError",
  "unavailable",
  "reset",
  "noResponse",
];
const ON_READ: readonly Fault[] = [
  "gone",
  "throttled",
  "throttledBare",
  "serverError",
  "unavailable",
  "reset",
  "noResponse",
  "slow",
  "responseLost",
];
const ON_WRITE: readonly Fault[] = [
  "conflict",
  "invalid",
  "throttled",
  "throttledBare",
  "serverError",
  "unavailable",
  "reset",
  "noResponse",
  "slow",
  "responseLost",
];

export interface FaultPlan {
  readonly kinds: readonly Fault[];
  /** Share of the requests with a fault, 0 to 1. Faults of watches are always injected. */
  readonly rate: number;
  /** Maximum time until the fault of a watch, in seconds. Default: 30. */
  readonly watchSeconds?: number;
  /** Requests without faults. Default: none. */
  readonly exclude?: (request: { readonly method: string; readonly path: string }) => boolean;
}

/**
 * Chooses the fault of a request, if any, among those that were injected least often, so that each kind occurs.
 * @param injected number of injections of each fault; the chosen one is incremented
 */
export function chooseFault(
  plan: FaultPlan,
  random: Random,
  request: { readonly method: string; readonly path: string; readonly watch: boolean },
  injected: Map<Fault, number>,
): Fault | undefined {
  if (plan.exclude?.(request)) return undefined;
  const applicable = request.watch ? ON_WATCH : request.method === "GET" ? ON_READ : ON_WRITE;
  const kinds = plan.kinds.filter((kind) => applicable.includes(kind));
  if (kinds.length === 0) return undefined;
  const times = (kind: Fault) => injected.get(kind) ?? 0;
  const least = Math.min(...kinds.map(times));
  const kind = random.pick(kinds.filter((one) => times(one) === least));
  const always = kind.startsWith("watch") || kind === "noBookmarks";
  if (!random.chance(always ? 1 : plan.rate)) return undefined;
  injected.set(kind, least + 1);
  return kind;
}

interface ErrorStatus {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfter?: string;
}

/** Error responses with the messages of the API server. */
export const ERROR_STATUS: Partial<Record<Fault, ErrorStatus>> = {
  conflict: {
    status: 409,
    reason: "Conflict",
    message:
      "the object has been modified; please apply your changes to the latest version and try again (injected)",
  },
  gone: {
    status: 410,
    reason: "Expired",
    message: "too old resource version: 1 (2) (injected)",
  },
  invalid: {
    status: 422,
    reason: "Invalid",
    message: "the server rejected our request due to an error in our request (injected)",
  },
  throttled: {
    status: 429,
    reason: "TooManyRequests",
    message: "too many requests, please try again later (injected)",
    retryAfter: "1",
  },
  throttledBare: {
    status: 429,
    reason: "TooManyRequests",
    message: "too many requests, please try again later (injected)",
  },
  serverError: { status: 500, reason: "InternalError", message: "etcdserver: leader changed (injected)" },
  unavailable: { status: 503, reason: "ServiceUnavailable", message: "apiserver not ready (injected)" },
};

/** Returns the body of an error response. */
export function statusOf({ status, reason, message }: ErrorStatus): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status };
}
