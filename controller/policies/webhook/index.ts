/** The server of the trigger `webhook`. */
import type { PolicyWebhookSettings } from "../../../config/programs/controller";
import {
  type Client,
  REFUSALS,
  WebhookServer,
  type Refusal,
  type Webhook,
  type WebhookProcessOptions,
} from "../../../kube";
import type { Runtime } from "../../runtime";
import { CLUSTER_POLICY, POLICY } from "../objects";
import { Firings } from "./firings";
import { Keys } from "./keys";
import { Receiver, RESULTS, type Result } from "./receiver";
import { HEADERS } from "./signature";

/** Largest body. It is verified and not used otherwise. */
const MAX_BYTES = 65_536;
/** Of all clients: each request that is not refused costs this process one HMAC. */
const TOTAL = { burst: 50, perSecond: 20 } as const;
/** Of one source address, which may be an Ingress controller with many clients. */
const PER_SOURCE = { burst: 25, perSecond: 10 } as const;

export interface PolicyWebhookOptions extends Omit<Runtime, "client" | "events"> {
  readonly settings: PolicyWebhookSettings;
  /** Of the controller. */
  readonly namespace: string;
  /** Namespaces of policies. */
  readonly namespaces: "all" | readonly string[];
  /** Reads Secrets, and writes the status of policies, on every replica. */
  readonly client: Client;
  /** Creates the server. Default: one in this process. */
  readonly serve?: ((options: Omit<WebhookProcessOptions, "program" | "level">) => Webhook) | undefined;
}

/**
 * Returns the server, which each replica runs. It has its own process, connections and limits, so that its clients cannot delay
 * the admission webhook.
 */
export function policyWebhook(options: PolicyWebhookOptions): Webhook {
  const { settings, namespace, namespaces, cache, client, log, metrics } = options;
  const { serve = (server) => new WebhookServer(server) } = options;
  const policies = cache.objects(POLICY, { namespaces, skipDenied: true });
  const clusterPolicies = cache.objects(CLUSTER_POLICY, { skipDenied: true });
  const counter = metrics.counter(
    "cedana_policy_webhook_requests_total",
    "Number of requests of the trigger webhook, by result: of the request, or the limit that refused it",
    ["result"],
    [...RESULTS, ...REFUSALS].map((result) => ({ result })),
  );
  const restarts = metrics.counter(
    "cedana_policy_webhook_restarts_total",
    "Number of times that the process of the trigger webhook ended and was started again",
    [],
    [{}],
  );
  const count = (result: Result | Refusal, times = 1) => {
    if (times > 0) counter.inc({ result }, times);
  };
  const receiver = new Receiver({
    policy: (key) => policies.get(key) ?? clusterPolicies.get(key),
    keys: new Keys({ client, secrets: settings.secrets, setting: "install.policies.webhook.secrets" }),
    firings: new Firings(client),
    namespace,
    log,
    count,
  });
  return serve({
    name: "policy-webhook",
    port: settings.port,
    handlers: {},
    plain: {
      headers: Object.values(HEADERS),
      maxBytes: MAX_BYTES,
      rates: { total: TOTAL, perSource: PER_SOURCE },
      handle: (request) => receiver.receive(request),
    },
    log,
    onRefused: count,
    onRestart: () => restarts.inc(),
  });
}
