import { rawKind, type Client } from "../../kube";
import { HEALTH_CONDITION } from "../../config/programs/agent";
import type { HealthCondition } from "./finding";

/** The pod of this process. */
export interface OwnPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

interface Condition extends HealthCondition {
  readonly lastTransitionTime: string;
}

/** Shortest time between two messages of the same status. Amounts in them change all the time. */
const MESSAGE_INTERVAL_MS = 60_000;
/** Time between two writes of the same condition, in case one was lost; the API server stores nothing if nothing changes. */
const REPEAT_INTERVAL_MS = 600_000;

const POD = rawKind("v1", "Pod", "pods");

/** Writes the condition of the process's own pod. */
export class Reporter {
  private written?: { readonly condition: Condition; readonly atMs: number };

  constructor(
    private readonly client: Client,
    private readonly pod: OwnPod,
  ) {}

  /**
   * Writes the condition if it differs from the last one.
   * @throws ApiError if the API server rejects the write: 404 the pod was deleted, 409 it is another one of the same name
   */
  async report(desired: HealthCondition, options: { readonly timeoutMs: number }): Promise<void> {
    const now = Date.now();
    // After a restart of the container, the stored condition has the time of the last change.
    const before = this.written ?? { condition: await this.read(options), atMs: Number.NEGATIVE_INFINITY };
    const { condition } = before;
    const age = now - before.atMs;
    if (condition?.status === desired.status) {
      const same = condition.reason === desired.reason && condition.message === desired.message;
      if (age < (same ? REPEAT_INTERVAL_MS : MESSAGE_INTERVAL_MS)) return;
    }
    const lastTransitionTime =
      condition?.status === desired.status ? condition.lastTransitionTime : timeOf(now);
    const next = { ...desired, lastTransitionTime };
    await this.patch({ status: { conditions: [{ type: HEALTH_CONDITION, ...next }] } }, options);
    this.written = { condition: next, atMs: now };
  }

  /** Reads by an empty patch: the account may only patch its pod's status. */
  private async read(options: { readonly timeoutMs: number }): Promise<Condition | undefined> {
    const pod = (await this.patch({}, options)) as {
      status?: { conditions?: readonly (Condition & { type: string })[] };
    };
    return pod.status?.conditions?.find(({ type }) => type === HEALTH_CONDITION);
  }

  private patch(patch: object, { timeoutMs }: { readonly timeoutMs: number }): Promise<unknown> {
    return this.client.strategicPatch(POD, this.pod, patch, { subresource: "status", timeoutMs });
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
