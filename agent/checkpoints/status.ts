import {
  conditionsOf,
  type NodeCheckpointCondition,
  type NodeCheckpointReason,
  type NodeCheckpointStatus,
} from "../../api";
import type { NodeCheckpointObject } from "./object";

export type Outcome = "waiting" | "working" | "completed" | "failed";

const HOLDS: Readonly<Record<Outcome, NodeCheckpointCondition["type"] | undefined>> = {
  waiting: undefined,
  working: "Progressing",
  completed: "Ready",
  failed: "Failed",
};

/** Returns the status with the conditions of an outcome. A condition that does not change keeps its time. */
export function withConditions(
  { metadata, status: before }: NodeCheckpointObject,
  status: NodeCheckpointStatus,
  outcome: Outcome,
  reason: NodeCheckpointReason,
  message: string,
): NodeCheckpointStatus {
  const observedGeneration = metadata.generation;
  const conditions = conditionsOf({
    holds: HOLDS[outcome],
    reason,
    message,
    observedGeneration,
    before: before.conditions ?? [],
    now: new Date(Date.now()).toISOString(),
  });
  return { ...status, observedGeneration, conditions };
}
