import type { NodeCheckpointReason } from "../../api";

/** It ends without a checkpoint, for this reason. */
export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    readonly reason: NodeCheckpointReason,
    message: string,
  ) {
    super(message);
  }
}
