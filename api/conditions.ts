import { count, list, object, oneOf, optional, string, text, time, type Infer, type Schema } from "./schema";

/** Maximum length of a message that `conditionsOf` writes. The kinds allow 32,768. */
const MAX_MESSAGE = 4096;

const TYPES = ["Ready", "Progressing", "Failed"] as const;
export type CheckpointConditionType = (typeof TYPES)[number];

const REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

const condition = object(undefined, {
  type: text(`${TYPES[0]}, ${TYPES[1]} or ${TYPES[2]}.`, 316),
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

/** Returns the conditions of a Checkpoint or NodeCheckpoint: one of each type, with the same reason and message. */
export function conditionsOf<Reason extends string>({
  holds,
  reason,
  message,
  observedGeneration,
  before,
  now,
}: ConditionsInput<Reason>): Condition<CheckpointConditionType, Reason>[] {
  const shortened = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
  return TYPES.map((type) => {
    const status = holds === type ? "True" : "False";
    const old = before.find((one) => one.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    return { type, status, reason, message: shortened, observedGeneration, lastTransitionTime };
  });
}
