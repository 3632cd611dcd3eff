import type { ConditionChange } from "./decide-condition";
import type { GateNode } from "./objects";
import { CONDITION_TYPE } from "./settings";

/** Query of each write: under which name `managedFields` shows it. */
export const WRITER = { fieldManager: "cedana-controller" } as const;

export function pathOfNode(name: string): string {
  return `/api/v1/nodes/${encodeURIComponent(name)}`;
}

/**
 * A strategic merge patch of a node's status that sets our condition or takes it away, and touches no other. The UID
 * makes it fail for another node of the name.
 */
export function conditionPatch(
  { metadata, condition }: GateNode,
  change: "remove" | ConditionChange,
  now: number,
) {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  const ours =
    change === "remove"
      ? { $patch: "delete", type: CONDITION_TYPE }
      : {
          type: CONDITION_TYPE,
          ...change,
          lastHeartbeatTime: time,
          lastTransitionTime: condition?.status === change.status ? condition.lastTransitionTime : time,
        };
  return {
    type: "application/strategic-merge-patch+json",
    content: { metadata: { uid: metadata.uid }, status: { conditions: [ours] } },
  };
}
