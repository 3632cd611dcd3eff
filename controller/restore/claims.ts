import type { Client } from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { timeOf } from "../checkpoints/state";
import { putRestore } from "./restore-status";

/** Reserves a Checkpoint for a pod. */
export interface Claim {
  /** UID of the admission request. */
  readonly id: string;
  /** Of the pod, unless the API server generates it. */
  readonly podName?: string;
}

/**
 * Claims Checkpoints for pods that are admitted. This is the only write that replicas without the Lease do: each replica
 * serves the webhook. It applies only to the version of the Checkpoint that the decision was based on, so that one of two
 * concurrent claims is rejected.
 */
export class Claims {
  constructor(private readonly client: Client) {}

  /** @returns false if the Checkpoint has changed since it was read */
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
