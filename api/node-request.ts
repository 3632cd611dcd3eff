/** What requests to the agent of a node have in common. */
import { conditions, type CheckpointConditionType } from "./conditions";
import { count, labelName, object, optional, podName, time, uid } from "./schema";

/** Returns the schema of the pod of a request. */
export function podRef(description: string, uidText = "UID of the pod.") {
  return object(description, {
    namespace: labelName("Namespace of the pod."),
    name: podName("Name of the pod."),
    uid: uid(uidText),
  });
}

/** Returns the status fields of a request with these reasons. */
export function agentStatus<Reason extends string>() {
  return {
    observedGeneration: optional(count("Generation of the object that the status describes.")),
    conditions: optional(conditions<CheckpointConditionType, Reason>()),
    startTime: optional(time("When the agent started to work on the request.")),
    completionTime: optional(time("When the outcome was known.")),
  };
}
