import type { CheckpointConditionType, Condition } from "./types";

/** Longest message of a condition that is written; the kinds allow 32,768. */
const MAX_MESSAGE = 4096;

export interface ConditionsInput<Reason extends string> {
  /** Of these conditions the one that is True; undefined: none. */
  readonly holds: CheckpointConditionType | undefined;
  readonly reason: Reason;
  readonly message: string;
  readonly observedGeneration: number;
  /** As they were. One that stays as it is keeps its time. */
  readonly before: readonly Condition[];
  /** RFC 3339. */
  readonly now: string;
}

/** The conditions of a Checkpoint or NodeCheckpoint: Ready, Progressing and Failed, with one reason and message. */
export function conditionsOf<Reason extends string>({
  holds,
  reason,
  message,
  observedGeneration,
  before,
  now,
}: ConditionsInput<Reason>): Condition<CheckpointConditionType, Reason>[] {
  const text = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message;
  return (["Ready", "Progressing", "Failed"] as const).map((type) => {
    const status = holds === type ? "True" : "False";
    const old = before.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    return { type, status, reason, message: text, observedGeneration, lastTransitionTime };
  });
}
