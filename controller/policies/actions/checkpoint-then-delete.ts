import type { FirstCheckpointAction } from "../../../api";
import { hasStatus } from "../../../kube";
import type { Action } from "./action";
import { createCheckpoint } from "./checkpoint";

const NAME = "checkpointThenDelete";

/** Creates a Checkpoint of the pod, and evicts the pod once it is completed. */
export const checkpointThenDelete: Action<FirstCheckpointAction> = {
  needsOwn: true,

  execute: (settings, run, context) => createCheckpoint(settings, run, context, NAME),

  async followUp(_, { policy, checkpoint, pod }, { client, events, signal }) {
    const { metadata } = pod;
    const { name, uid, namespace = "" } = metadata;
    try {
      await client.evict({ name, namespace, uid }, { signal });
    } catch (error) {
      // Deleted, or replaced by another one of the name.
      if (hasStatus(error, 404, 409)) return undefined;
      if (hasStatus(error, 429))
        return `a PodDisruptionBudget does not permit the eviction: ${error.message}`;
      throw error;
    }
    events.record({
      regarding: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
      type: "Normal",
      reason: "EvictedByPolicy",
      action: "Evict",
      note: `policy ${policy.name}: Checkpoint ${checkpoint.metadata.name} is completed`,
    });
    return undefined;
  },
};
