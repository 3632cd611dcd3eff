import type { ConditionChange } from "./decide-condition";
import type { GateNode } from "./objects";
import { CONDITION_TYPE } from "./settings";

/** Returns the strategic merge patch of a node's status that sets or removes our condition and no other. */
export function conditionPatch(
  { condition }: GateNode,
  change: "remove" | ConditionChange,
  now: number,
): object {
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
  return { status: { conditions: [ours] } };
}
