import { NOT_RESTORED, RECORD, REQUEST, RESTORED_FROM } from "../../../api";
import {
  at,
  isTestFailed,
  metadataOf,
  pointer,
  textsAt,
  type Client,
  type Json,
  type JsonPatchOperation,
  type Kind,
  type KubernetesObject,
  type ObjectMetadata,
} from "../../../kube";

/** A pod without the label that admission sets. */
export interface UnansweredPod extends KubernetesObject {
  readonly metadata: ObjectMetadata & { readonly namespace: string };
  /** Whether it requests a restore. */
  readonly requests: boolean;
  readonly hasLabels: boolean;
}

export const UNANSWERED_POD: Kind<UnansweredPod> = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  project: (raw) => {
    const metadata = metadataOf(raw);
    return {
      metadata: { ...metadata, namespace: metadata.namespace ?? "" },
      requests: requestsRestore(raw),
      hasLabels: typeof at(raw, "metadata", "labels") === "object",
    };
  },
};

/** The same pods, without those that request no restore: a list of all pods of a cluster is then small. */
const REQUESTING_POD: Kind<UnansweredPod | undefined> = {
  ...UNANSWERED_POD,
  project: (raw) => (requestsRestore(raw) ? UNANSWERED_POD.project(raw) : undefined),
};

function requestsRestore(raw: Json): boolean {
  return REQUEST.from in textsAt(raw, "metadata", "annotations");
}

const WITHOUT_LABEL = `!${RESTORED_FROM}`;
/** Pods that have not started: few at any time, and each pod is one at first. */
export const UNANSWERED = { labelSelector: WITHOUT_LABEL, fieldSelector: "status.phase=Pending" };

/** The reason on a pod for which the webhook did not decide. */
export const NO_DECISION = `no decision when the pod was created: the restore webhook did not answer or does not serve this namespace, or ${REQUEST.from} was added later`;
/** Key of all pods that have started: those that no leader saw before. */
export const STARTED = "started";
type Next = { readonly requeueAfterMs?: number } | void;
const RETRY = { requeueAfterMs: 1000 };

export interface UnansweredReconcilerOptions {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly namespaces: "all" | readonly string[];
  /** Whether the API server denies the pods of a namespace. */
  readonly isDenied: (namespace: string) => boolean;
  readonly pod: (key: string) => UnansweredPod | undefined;
}

/**
 * Records on pods that requested a restore, but for which the webhook did not decide, that they start fresh: as admission
 * does, by the label and the annotation with the reason. The event follows from the label.
 */
export class UnansweredReconciler {
  constructor(private readonly options: UnansweredReconcilerOptions) {}

  /** @param key of a pod, or `STARTED` */
  async reconcile(key: string, signal: AbortSignal): Promise<Next> {
    if (key === STARTED) return this.recordStarted(signal);
    const pod = this.options.pod(key);
    if (pod?.requests && !(await this.record(pod))) return RETRY;
  }

  private async recordStarted(signal: AbortSignal): Promise<Next> {
    const { namespaces, isDenied } = this.options;
    const served = namespaces === "all" ? [undefined] : namespaces.filter((one) => !isDenied(one));
    // The failure of one namespace leaves the others alone.
    const results = await Promise.allSettled(served.map((one) => this.recordStartedIn(one, signal)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    if (results.some((result) => result.status === "fulfilled" && !result.value)) return RETRY;
  }

  /** @returns false if a pod has changed meanwhile */
  private async recordStartedIn(namespace: string | undefined, signal: AbortSignal): Promise<boolean> {
    const selected = { namespace, labelSelector: WITHOUT_LABEL, fieldSelector: "status.phase=Running" };
    let isComplete = true;
    for (const pod of await this.options.client.list(REQUESTING_POD, { ...selected, signal }))
      if (pod !== undefined && !signal.aborted) isComplete = (await this.record(pod)) && isComplete;
    return isComplete;
  }

  /** @returns false if the pod has changed or was deleted */
  private async record({ metadata, hasLabels }: UnansweredPod): Promise<boolean> {
    const operations: JsonPatchOperation[] = [
      { op: "test", path: "/metadata/resourceVersion", value: metadata.resourceVersion },
      hasLabels
        ? { op: "add", path: pointer("metadata", "labels", RESTORED_FROM), value: NOT_RESTORED }
        : { op: "add", path: "/metadata/labels", value: { [RESTORED_FROM]: NOT_RESTORED } },
      { op: "add", path: pointer("metadata", "annotations", RECORD.skipped), value: NO_DECISION },
    ];
    try {
      await this.options.client.jsonPatch(UNANSWERED_POD, metadata, operations);
      return true;
    } catch (error) {
      if (isTestFailed(error)) return false;
      throw error;
    }
  }
}
