/** The content of a notification: its event, and the JSON of the request. */
import { createHash } from "node:crypto";
import type { MemoryTrigger, PolicySpec } from "../../../api";
import type { CheckpointFact, Policy, Run } from "../core/types";
import { CLUSTER_POLICY, POLICY } from "../objects";
import { isSelected, outcomeOf } from "../triggers/checkpoint-ended";

/** Why a pod was due, for people and programs. */
export interface Cause {
  /** Type of the request, in the form of the Standard Webhooks specification. */
  readonly type: "cedana.policy.due" | "cedana.checkpoint.completed" | "cedana.checkpoint.failed";
  readonly reason: string;
  readonly message: string;
  /** Whether the event has the type Warning. */
  readonly isWarning: boolean;
  /** The Checkpoint that ended. */
  readonly checkpoint?: CheckpointFact;
}

type Trigger = Partial<PolicySpec["trigger"]>;

/**
 * Returns why the pod was due.
 * @param checkpoints - those of the pod
 */
export function causeOf(
  { policy: { spec }, dueMs }: Pick<Run, "policy" | "dueMs">,
  checkpoints: readonly CheckpointFact[],
): Cause {
  const trigger = spec.trigger as Trigger;
  const due = (reason: string, message: string, isWarning = false): Cause => ({
    type: "cedana.policy.due",
    reason,
    message,
    isWarning,
  });
  if (trigger.checkpointEnded) {
    const settings = trigger.checkpointEnded;
    const found = checkpoints.find((one) => one.endedMs === dueMs && isSelected(settings, one));
    return found ? ended(found) : due("CheckpointEnded", "a Checkpoint ended, and was deleted");
  }
  if (trigger.memory)
    return due("MemoryThresholdReached", `its memory reached ${threshold(trigger.memory)}`, true);
  if (trigger.manual) return due("Requested", "an annotation requested it");
  if (trigger.heartbeat) return due("Scheduled", "it was due by the schedule");
  return due("Due", `it was due by the trigger ${Object.keys(trigger).join(", ")}`);
}

function ended(checkpoint: CheckpointFact): Cause {
  const isFailed = outcomeOf(checkpoint) === "Failed";
  const { key, reason = isFailed ? "CheckpointFailed" : "CheckpointCompleted", message = "" } = checkpoint;
  const name = key.slice(key.indexOf("/") + 1);
  return {
    type: isFailed ? "cedana.checkpoint.failed" : "cedana.checkpoint.completed",
    reason,
    message: `Checkpoint ${name} ${isFailed ? "failed" : "is completed"}${message === "" ? "" : `: ${message}`}`,
    isWarning: isFailed,
    checkpoint,
  };
}

function threshold({ percent, bytes }: MemoryTrigger): string {
  return bytes === undefined ? `${percent ?? 100} % of a limit` : bytes;
}

/**
 * Returns the header `webhook-id`: the same for the same policy, pod and time, in each attempt and process, so that receivers can
 * drop repetitions.
 */
export function idOf({ policy, pod, dueMs }: Pick<Run, "policy" | "pod" | "dueMs">): string {
  const hash = createHash("sha256").update(`${policy.uid}/${pod.uid}/${dueMs}`).digest("hex");
  return `msg_${hash.slice(0, 32)}`;
}

/** Longest message, characters. With the bounds of names, a body has at most 16 KiB. */
const MAX_MESSAGE = 1024;

/** Returns the body, which is the same in each attempt. @param clusterId - UID of the namespace kube-system, if it is known */
export function bodyOf({ policy, pod, dueMs }: Run, cause: Cause, clusterId: string | undefined): string {
  const time = new Date(dueMs).toISOString();
  const { type, reason, message, checkpoint } = cause;
  const { namespace, name, uid, nodeName, owner } = pod;
  return JSON.stringify({
    type,
    timestamp: time,
    data: {
      ...(clusterId === undefined ? {} : { clusterId }),
      policy: referenceOf(policy),
      pod: { namespace, name, uid, ...(nodeName === undefined ? {} : { nodeName }) },
      ...(owner && { owner: { kind: owner.kind, name: owner.name } }),
      trigger: Object.keys(policy.spec.trigger).join(),
      scheduledTime: time,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      ...(checkpoint && { checkpoint: checkpointOf(checkpoint) }),
    },
  });
}

function referenceOf({ namespace, name, uid }: Policy) {
  const { kind } = namespace === undefined ? CLUSTER_POLICY : POLICY;
  return { kind, ...(namespace === undefined ? {} : { namespace }), name, uid };
}

function checkpointOf({ key, state, policyName }: CheckpointFact) {
  const [namespace = "", name = ""] = key.split("/");
  return {
    namespace,
    name,
    outcome: outcomeOf({ state }),
    ...(policyName === undefined ? {} : { policy: policyName }),
  };
}
