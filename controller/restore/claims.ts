import type { KubernetesClient } from "../../kube/client";
import type { CheckpointObject } from "../checkpoints/objects";
import { timeOf } from "../checkpoints/state";
import { putRestore } from "./requests";

/** Who is to go on from a Checkpoint. */
export interface Claim {
  /** UID of the admission request. */
  readonly id: string;
  /** Of the pod, if it has one yet. */
  readonly podName?: string;
}

/**
 * Gives Checkpoints to pods that are admitted. The only write that any replica makes, with the Lease or without: each
 * serves the webhook. It is made only onto the version of the Checkpoint that the decision was made for, so that of two at
 * once one is refused.
 */
export class Claims {
  constructor(private readonly client: Pick<KubernetesClient, "send">) {}

  /** @returns false if the Checkpoint is not as it was looked at */
  async claim(checkpoint: CheckpointObject, { id, podName }: Claim, timeoutMs: number): Promise<boolean> {
    const restore = {
      state: "Claimed",
      claim: id,
      ...(podName === undefined ? {} : { podName }),
      time: timeOf(Date.now()),
    } as const;
    return (await putRestore(this.client, checkpoint, restore, timeoutMs)) !== undefined;
  }
}
