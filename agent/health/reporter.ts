import type { KubernetesClient } from "../../kube/client";
import { HEALTH_CONDITION } from "../../config/programs/agent";
import type { HealthCondition } from "./finding";

/** The pod that this runs in. */
export interface OwnPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

interface Condition extends HealthCondition {
  readonly lastTransitionTime: string;
}

/** New words for the same status: at most so often. Amounts in them change all the time. */
const WORDS_EVERY_MS = 60_000;
/** The same again, in case it was lost; nothing is stored where nothing changes. */
const AGAIN_EVERY_MS = 600_000;

/** Keeps the condition of the own pod. */
export class Reporter {
  private written?: { readonly condition: Condition; readonly atMs: number };

  constructor(
    private readonly client: Pick<KubernetesClient, "send">,
    private readonly pod: OwnPod,
  ) {}

  /**
   * Writes the condition if it says something else than before.
   * @throws ApiError as the API server refuses it: 404 the pod is gone, 409 it is another one of the same name
   */
  async report(words: HealthCondition, options: { readonly timeoutMs: number }): Promise<void> {
    const now = Date.now();
    // After a restart of the container, the time of the last change is that of the condition as it stands.
    const before = this.written ?? { condition: await this.read(options), atMs: Number.NEGATIVE_INFINITY };
    const { condition } = before;
    const age = now - before.atMs;
    if (condition?.status === words.status) {
      const same = condition.reason === words.reason && condition.message === words.message;
      if (age < (same ? AGAIN_EVERY_MS : WORDS_EVERY_MS)) return;
    }
    const lastTransitionTime =
      condition?.status === words.status ? condition.lastTransitionTime : timeOf(now);
    const next = { ...words, lastTransitionTime };
    await this.patch({ conditions: [{ type: HEALTH_CONDITION, ...next }] }, options);
    this.written = { condition: next, atMs: now };
  }

  /** An empty patch: the account may patch its pod's status, and nothing else. */
  private async read(options: { readonly timeoutMs: number }): Promise<Condition | undefined> {
    const answer = (await this.patch(undefined, options)) as {
      status?: { conditions?: readonly (Condition & { type: string })[] };
    };
    return answer.status?.conditions?.find(({ type }) => type === HEALTH_CONDITION);
  }

  private patch(status: object | undefined, { timeoutMs }: { readonly timeoutMs: number }) {
    const { namespace, name, uid } = this.pod;
    return this.client.send(
      "PATCH",
      `/api/v1/namespaces/${namespace}/pods/${name}/status`,
      {
        type: "application/strategic-merge-patch+json",
        content: { metadata: { uid }, ...(status && { status }) },
      },
      { timeoutMs },
    );
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
