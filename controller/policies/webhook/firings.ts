import { MAX_FIRINGS, type Firing } from "../../../api";
import { isTestFailed, type Client, type JsonPatchOperation } from "../../../kube";
import { CLUSTER_POLICY, POLICY, type PolicyObject } from "../objects";

/** Writes of the status by the leader and other replicas are in between. */
const ATTEMPTS = 5;
/** The sender of a request waits. */
const REQUEST_MS = 3000;

export type FiringResult =
  | { readonly is: "accepted" }
  /** A request with this id was accepted before. */
  | { readonly is: "duplicate" }
  | { readonly is: "too-early"; readonly retryAfterSeconds: number }
  /** The policy was deleted, replaced or changed since its signature was verified. */
  | { readonly is: "gone" };

/**
 * Records accepted requests in the status of their policy. Each write is for the version that was read, so that of two
 * replicas with the same request, or with two at once, one finds what the other one wrote.
 */
export class Firings {
  /** @param client reads and writes on every replica */
  constructor(private readonly client: Pick<Client, "get" | "jsonPatch">) {}

  /** @throws Error if the API server does not execute the write */
  async add({ metadata: known, spec }: PolicyObject, id: string): Promise<FiringResult> {
    const kind = known.namespace === undefined ? CLUSTER_POLICY : POLICY;
    const minMs = (spec.trigger.webhook?.minIntervalSeconds ?? 0) * 1000;
    for (let attempt = 1; ; attempt++) {
      const object = await this.client.get(kind, known, { timeoutMs: REQUEST_MS });
      if (
        object === undefined ||
        object.metadata.uid !== known.uid ||
        object.metadata.generation !== known.generation
      )
        return { is: "gone" };
      const { firings = [] } = object.status;
      if (firings.some((one) => one.id === id)) return { is: "duplicate" };
      const nowMs = Date.now();
      const lastMs = Date.parse(firings[0]?.time ?? "") || 0;
      const waitMs = lastMs + minMs - nowMs;
      if (waitMs > 0) return { is: "too-early", retryAfterSeconds: Math.ceil(waitMs / 1000) };
      const firing = { id, time: new Date(Math.max(nowMs, lastMs + 1)).toISOString() };
      try {
        await this.client.jsonPatch(kind, known, operations(object, firing), {
          subresource: "status",
          timeoutMs: REQUEST_MS,
        });
        return { is: "accepted" };
      } catch (error) {
        if (!isTestFailed(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }
}

function operations({ metadata, status }: PolicyObject, firing: Firing): JsonPatchOperation[] {
  const firings = [firing, ...(status.firings ?? [])].slice(0, MAX_FIRINGS);
  const isNew = Object.keys(status).length === 0;
  return [
    { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
    isNew
      ? { op: "add", path: "/status", value: { firings } }
      : { op: "add", path: "/status/firings", value: firings },
  ];
}
