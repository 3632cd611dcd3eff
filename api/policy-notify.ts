import { labelName, list, object, oneOf, optional, type Infer, type ValidationRule } from "./schema";

/** Outcomes of a Checkpoint for which the trigger `checkpointEnded` is due. */
export const CHECKPOINT_OUTCOMES = ["Completed", "Failed"] as const;
export type CheckpointOutcome = (typeof CHECKPOINT_OUTCOMES)[number];

/** The trigger `checkpointEnded`. */
export const checkpointEnded = object(
  "When a Checkpoint of the pod, of any client, has ended. Only for the action notify.",
  {
    outcomes: optional(
      list(
        "Outcomes for which the pod is due. Default: both.",
        oneOf("Completed: the Checkpoint can be restored. Failed: it cannot.", CHECKPOINT_OUTCOMES),
        { minItems: 1, maxItems: 2, merge: "set" },
      ),
    ),
    policies: optional(
      list(
        "Names of the policies, of either kind, whose Checkpoints count. Default: all Checkpoints of the pod, also those of users.",
        labelName("Name."),
        { minItems: 1, maxItems: 100, merge: "set" },
      ),
    ),
  },
);

/** The action `notify`. */
export const notify = object(
  "Records an event of the pod, and sends a signed HTTPS request to a destination of the install. It creates no Checkpoint.",
  {
    destination: optional(
      labelName(
        "Name of a destination in install.policies.notify.destinations. Default: only the event is recorded.",
      ),
    ),
  },
);

/** Validation rules of a policy with this trigger or action. */
export const notifyRules: readonly ValidationRule[] = [
  {
    rule: "!has(self.trigger.checkpointEnded) || has(self.action.notify)",
    message:
      "the trigger checkpointEnded is only for the action notify: other actions would follow their own Checkpoints",
  },
  {
    rule: "!has(self.action.notify) || !has(self.trigger.webhook)",
    message:
      "the trigger webhook is not for notify: its sender already knows of the request, and one request would cause a notification for each pod",
  },
  {
    rule: "!has(self.action.notify) || !has(self.trigger.heartbeat) || !has(self.trigger.heartbeat.intervalSeconds) || self.deadlineSeconds <= self.trigger.heartbeat.intervalSeconds",
    message:
      "with notify, deadlineSeconds must not exceed intervalSeconds: a new leader repeats only one notification of a pod, so others that wait would be lost",
  },
];

export type CheckpointEndedTrigger = Infer<typeof checkpointEnded>;
export type NotifyAction = Infer<typeof notify>;
