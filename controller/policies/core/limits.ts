import type { EngineOptions } from "./options";
import type { PolicyState } from "./policy-state";
import type { Slots } from "./slots";
import type { Run } from "./types";

/** A limit that has no room for a run. */
export interface Limit {
  /** Which runs it may have no room for either: all, those of the policy, or those of the node. */
  readonly visit: "stop" | "skip-policy" | "skip-node";
  readonly cause: string;
}

/** Returns the limit that has no room for the run; undefined if it may start. */
export function limitOf(
  { subject }: PolicyState,
  { policy, pod }: Run,
  slots: Slots,
  { maxInFlight, maxPerNode }: Pick<EngineOptions, "maxInFlight" | "maxPerNode">,
  nowMs: number,
): Limit | undefined {
  const full = subject.full?.(nowMs);
  if (full !== undefined) return { visit: "skip-policy", cause: full };
  if (slots.total >= maxInFlight)
    return { visit: "stop", cause: `all policies together have ${maxInFlight} Checkpoints in flight` };
  const ofPolicy = policy.spec.maxInFlight ?? maxInFlight;
  if (slots.ofPolicy(policy.uid) >= ofPolicy)
    return { visit: "skip-policy", cause: `the policy has ${ofPolicy} Checkpoints in flight` };
  const { nodeName } = pod;
  if (nodeName !== undefined && slots.onNode(nodeName) >= maxPerNode)
    return { visit: "skip-node", cause: `node ${nodeName} has ${maxPerNode} Checkpoints in flight` };
  return undefined;
}
