import { count, list, object, oneOf, optional, string, text, time, type Infer, type Schema } from "./schema";

/** Maximum length of a message that `conditionsOf` writes. The kinds allow 32,768. */
const MAX_MESSAGE = 4096;

const TYPES = ["Ready", "Progressing", "Failed"] as const;
export type CheckpointConditionType = (typeof TYPES)[number];

/** Conditions by which tools such as Flux and kubectl plugins (kstatus) know whether to wait. Only those that are True exist. */
export type ToolConditionType = "Reconciling" | "Stalled";

/** True while a Checkpoint that is deleted waits for the deletion of its artifact. */
export type DeletionConditionType = "DeletionBlocked";

const REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

const condition = object(undefined, {
  type: text(
    `${TYPES[0]}, ${TYPES[1]} or ${TYPES[2]}. A Checkpoint that has not ended also has Reconciling, one that failed Stalled, one whose artifact cannot be deleted yet DeletionBlocked.`,
    316,
  ),
  status: oneOf("Whether the condition holds.", ["True", "False", "Unknown"]),
  reason: text("Machine-readable reason for the status.", 1024, { pattern: REASON }),
  message: string("Explanation for people; quotes the engine's message.", { maxLength: 32_768 }),
  observedGeneration: optional(count("Generation of the object that the condition describes.")),
  lastTransitionTime: time("Time of the last change of status."),
});

/** A condition as `metav1.Condition` defines it. */
export type Condition<Type extends string = string, Reason extends string = string> = Omit<
  Infer<typeof condition>,
  "type" | "reason"
> & { readonly type: Type; readonly reason: Reason };

/** Returns the schema of `status.conditions` with these reasons. */
export function conditions<Type extends string, Reason extends string>() {
  return list(
    "Current state of the object, one condition of each type.",
    condition as Schema<Condition<Type, Reason>>,
    { maxItems: 16, merge: { key: "type" } },
  );
}

export interface ConditionsInput<Reason extends string> {
  /** The type whose status is True. Undefined: none. */
  readonly holds: CheckpointConditionType | undefined;
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration: number;
  /** The previous conditions. One whose status does not change keeps its transition time. */
  readonly before: readonly Condition[];
  /** RFC 3339. */
  readonly now: string;
}

/** Returns the condition for tools: Reconciling of an object that has not ended, Stalled of one that failed, none otherwise. */
export function toolConditions<Reason extends string>(
  input: Omit<ConditionsInput<Reason>, "holds">,
  phase: "open" | "failed" | "completed",
): Condition<ToolConditionType, Reason>[] {
  if (phase === "completed") return [];
  const type = phase === "open" ? "Reconciling" : "Stalled";
  const { reason, message, observedGeneration, before, now } = input;
  const lastTransitionTime = before.find((one) => one.type === type)?.lastTransitionTime ?? now;
  return [
    { type, status: "True", reason, message: shorten(message), observedGeneration, lastTransitionTime },
  ];
}

/** Returns the conditions of a Checkpoint or NodeCheckpoint: one of each type, with the same reason and message. */
export function conditionsOf<Reason extends string>({
  holds,
  reason,
  message,
  observedGeneration,
  before,
  now,
}: ConditionsInput<Reason>): Condition<CheckpointConditionType, Reason>[] {
  const shortened = shorten(message);
  return TYPES.map((type) => {
    const status = holds === type ? "True" : "False";
    const old = before.find((one) => one.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    return { type, status, reason, message: shortened, observedGeneration, lastTransitionTime };
  });
}

function shorten(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
}
