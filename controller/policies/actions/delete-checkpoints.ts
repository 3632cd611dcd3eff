import type { DeleteCheckpointsAction } from "../../../api";
import type { PolicyAction } from "./action";

/** Deletes Checkpoints that exceed a limit of the policy. */
export const deleteCheckpoints: PolicyAction<DeleteCheckpointsAction> = {
  of: "policy",
  execute: (settings, { policy }, { retention, signal }) => retention.run(policy, settings, signal),
  status: async (settings, policy, { retention }, nextMs) => ({
    retention: await retention.status(policy, settings, nextMs),
  }),
};
