import type { Random } from "../../support/random";

/** What can go wrong between a client and its API server. */
export const FAULTS = {
  conflict: "409 Conflict",
  gone: "410 Gone for a list or a watch",
  invalid: "422 Invalid, as for a failed `test` of a JSON Patch",
  throttled: "429 with Retry-After: 1",
  throttledBare: "429 without Retry-After",
  serverError: "500",
  unavailable: "503",
  reset: "connection closed before the request reaches the server",
  noAnswer: "the request never reaches the server and is never answered",
  slow: "answer late by 1 to 8 s",
  answerLost: "the server does it, the connection is closed before its answer",
  watchCut: "watch closed after 1 to 30 s",
  watchSilent: "watch half-open after 1 to 30 s: no byte any more, and no end",
  watchTruncated: "watch closed in the middle of a line",
  watchGone: "watch that says ERROR 410",
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
  "noAnswer",
];
const ON_READ: readonly Fault[] = [
  "gone",
  "throttled",
  "throttledBare",
  "serverError",
  "unavailable",
  "reset",
  "noAnswer",
  "slow",
  "answerLost",
];
const ON_WRITE: readonly Fault[] = [
  "conflict",
  "invalid",
  "throttled",
  "throttledBare",
  "serverError",
  "unavailable",
  "reset",
  "noAnswer",
  "slow",
  "answerLost",
];

export interface FaultPlan {
  readonly kinds: readonly Fault[];
  /** Share of the requests that a fault hits, 0 to 1. Watches are hit always, if a kind suits them. */
  readonly rate: number;
  /** Longest time until a watch is hit, seconds. Default: 30. */
  readonly watchSeconds?: number;
  /** Requests to leave alone; default: none. */
  readonly spare?: (request: { readonly method: string; readonly path: string }) => boolean;
}

/**
 * The fault that a request is to meet, if any: one of those that were met least often so far, so that none is left out by chance.
 * @param met how often each was met; counted on
 */
export function chooseFault(
  plan: FaultPlan,
  random: Random,
  request: { readonly method: string; readonly path: string; readonly watch: boolean },
  met: Map<Fault, number>,
): Fault | undefined {
  if (plan.spare?.(request)) return undefined;
  const suits = request.watch ? ON_WATCH : request.method === "GET" ? ON_READ : ON_WRITE;
  const kinds = plan.kinds.filter((kind) => suits.includes(kind));
  if (kinds.length === 0) return undefined;
  const times = (kind: Fault) => met.get(kind) ?? 0;
  const least = Math.min(...kinds.map(times));
  const kind = random.pick(kinds.filter((one) => times(one) === least));
  const always = kind.startsWith("watch") || kind === "noBookmarks";
  if (!random.chance(always ? 1 : plan.rate)) return undefined;
  met.set(kind, least + 1);
  return kind;
}

interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly retryAfter?: string;
}

/** Refusals, in the API server's own words. */
export const REFUSALS: Partial<Record<Fault, Refusal>> = {
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

/** A refusal as the body of an answer. */
export function statusOf({ status, reason, message }: Refusal): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status };
}
