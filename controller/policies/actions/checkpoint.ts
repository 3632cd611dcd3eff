import { POLICY_LABELS, type CheckpointAction } from "../../../api";
import { hasStatus } from "../../../kube";
import { CHECKPOINT } from "../../checkpoints/objects";
import type { Run } from "../core/types";
import type { ActionContext, PodAction } from "./action";

/** Creates a Checkpoint of the pod. Its name is the same in each attempt and process, so there is one for each time. */
export const checkpoint: PodAction<CheckpointAction> = {
  execute: (settings, run, context) => createCheckpoint(settings, run, context),
};

/** @param action its name, if it does more once the Checkpoint is completed */
export async function createCheckpoint(
  { engine, leaveRunning, deletionPolicy }: CheckpointAction,
  { policy, pod, dueMs, key }: Run,
  { client, signal }: Pick<ActionContext, "client" | "signal">,
  action?: string,
): Promise<"open"> {
  const { containers } = (policy.spec.filter ?? {}) as { readonly containers?: readonly string[] };
  const object = {
    metadata: {
      namespace: pod.namespace,
      name: key.slice(pod.namespace.length + 1),
      labels: { [POLICY_LABELS.name]: policy.name, [POLICY_LABELS.uid]: policy.uid },
      annotations: {
        [POLICY_LABELS.due]: new Date(dueMs).toISOString(),
        ...(action === undefined ? {} : { [POLICY_LABELS.action]: action }),
      },
    },
    spec: {
      podRef: { name: pod.name, uid: pod.uid },
      ...(containers && { containers }),
      ...(engine && { engine }),
      ...(leaveRunning === undefined ? {} : { leaveRunning }),
      ...(deletionPolicy && { deletionPolicy }),
    },
  };
  try {
    await client.create(CHECKPOINT, object, { signal });
  } catch (error) {
    // An earlier attempt succeeded, of this process or of the last leader.
    if (!hasStatus(error, 409)) throw error;
  }
  return "open";
}
