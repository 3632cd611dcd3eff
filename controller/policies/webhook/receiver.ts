import type { PlainRequest, PlainResponse, Logger } from "../../../kube";
import type { PolicyObject } from "../objects";
import type { FiringResult, Firings } from "./firings";
import type { Keys } from "./keys";
import { isSigned, isTimely, readHeaders } from "./signature";

/**
 * Outcome of a request.
 * - `accepted`: all pods of the policy that match are due
 * - `duplicate`: a request with its id was accepted before
 * - `malformed`: a header is missing or not in its form
 * - `outdated`: its timestamp is too far from the time
 * - `unsigned`: no such policy, or no key of it has signed the request
 * - `too-early`: less than `minIntervalSeconds` since the last one
 * - `suspended`: the policy is suspended
 * - `unavailable`: the keys of the policy, or the API server, cannot be used now
 */
export const RESULTS = [
  "accepted",
  "duplicate",
  "malformed",
  "outdated",
  "unsigned",
  "too-early",
  "suspended",
  "unavailable",
] as const;
export type Result = (typeof RESULTS)[number];

const NAME = "[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?";
const PATH = new RegExp(`^/(?:checkpointpolicies/(${NAME})|clustercheckpointpolicies)/(${NAME})$`);

export interface ReceiverOptions {
  /** Returns the policy with the key in the cache: `namespace/name`, or `name` of a cluster-scoped one. */
  readonly policy: (key: string) => PolicyObject | undefined;
  readonly keys: Pick<Keys, "of">;
  readonly firings: Pick<Firings, "add">;
  /** Namespace of the controller: of the Secrets of cluster-scoped policies. */
  readonly namespace: string;
  readonly log: Pick<Logger, "info" | "warn">;
  readonly count: (result: Result) => void;
}

/**
 * Receives the requests of the trigger `webhook`. Until the signature is verified, a client learns nothing of policies: a wrong
 * signature and an unknown policy have the same response.
 */
export class Receiver {
  constructor(private readonly options: ReceiverOptions) {}

  async receive(request: PlainRequest): Promise<PlainResponse> {
    const [result, response] = await this.decide(request);
    this.options.count(result);
    return response;
  }

  private async decide({ path, headers, body }: PlainRequest): Promise<[Result, PlainResponse]> {
    const { log, keys, firings, namespace } = this.options;
    const nowMs = Date.now();
    const signed = readHeaders(headers);
    if (!signed)
      return [
        "malformed",
        { status: 400, text: "webhook-id, webhook-timestamp or webhook-signature is missing or malformed" },
      ];
    if (!isTimely(signed, nowMs))
      return [
        "outdated",
        { status: 401, text: "webhook-timestamp is too far from the time of the receiver" },
      ];
    const [, inNamespace, name = ""] = PATH.exec(path) ?? [];
    const key = inNamespace === undefined ? name : `${inNamespace}/${name}`;
    const policy = this.options.policy(key);
    const secret = policy?.spec.trigger.webhook?.secret;
    if (!policy || !secret) return UNSIGNED;
    try {
      const known = await keys.of(
        inNamespace ?? namespace,
        { name: secret.name, key: secret.key ?? name },
        nowMs,
      );
      if (!isSigned(known, signed, body)) return UNSIGNED;
      if (policy.spec.suspend)
        return ["suspended", { status: 409, text: "the policy is suspended: spec.suspend is true" }];
      const result = await firings.add(policy, signed.id);
      if (result.is === "accepted") log.info({ policy: key, id: signed.id }, "webhook accepted");
      return responseTo(result);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.warn({ policy: key, error: message }, "webhook of a policy not accepted");
      return UNAVAILABLE;
    }
  }
}

const UNSIGNED: [Result, PlainResponse] = [
  "unsigned",
  { status: 401, text: "no such policy with the trigger webhook, or no key of it has signed the request" },
];
const UNAVAILABLE: [Result, PlainResponse] = [
  "unavailable",
  {
    status: 503,
    text: "the request cannot be verified now; the log of the controller says why",
    retryAfterSeconds: 30,
  },
];

function responseTo(result: FiringResult): [Result, PlainResponse] {
  switch (result.is) {
    case "accepted":
      return ["accepted", { status: 202, text: "accepted: the pods that match are due" }];
    case "duplicate":
      return ["duplicate", { status: 200, text: "a request with this webhook-id was accepted before" }];
    case "too-early": {
      const { retryAfterSeconds } = result;
      return [
        "too-early",
        {
          status: 429,
          text: `less than minIntervalSeconds since the last request; try again in ${retryAfterSeconds} s`,
          retryAfterSeconds,
        },
      ];
    }
    default:
      return [
        "unavailable",
        { status: 503, text: "the policy was changed; try again", retryAfterSeconds: 1 },
      ];
  }
}
