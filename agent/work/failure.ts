import type { NodeCheckpointReason } from "../../api";

/** The checkpoint fails with this reason. */
export class CheckpointFailure extends Error {
  override readonly name = "CheckpointFailure";

  constructor(
    readonly reason: NodeCheckpointReason,
    message: string,
  ) {
    super(message);
  }
}
