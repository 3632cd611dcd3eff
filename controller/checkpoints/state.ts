import {
  conditionsOf,
  type CheckpointCondition,
  type CheckpointConditionType,
  type CheckpointReason,
  type CheckpointStatus,
} from "../../api";
import type { CheckpointObject } from "./objects";

/**
 * Where a Checkpoint stands, by its status alone.
 * - `waiting`: the engine was not asked, or provably not reached
 * - `asked`: the engine may have been asked; this is written before it is
 */
export type Phase = "waiting" | "asked" | "completed" | "failed";

export function phaseOf({ conditions = [] }: CheckpointStatus): Phase {
  const holds = (type: CheckpointConditionType) =>
    conditions.some((condition) => condition.type === type && condition.status === "True");
  if (holds("Ready")) return "completed";
  if (holds("Failed")) return "failed";
  return holds("Progressing") ? "asked" : "waiting";
}

export function isFinished(status: CheckpointStatus): boolean {
  return ["completed", "failed"].includes(phaseOf(status));
}

export function readyOf({ conditions = [] }: CheckpointStatus): CheckpointCondition | undefined {
  return conditions.find(({ type }) => type === "Ready");
}

const HOLDS: Readonly<Record<Phase, CheckpointConditionType | undefined>> = {
  waiting: undefined,
  asked: "Progressing",
  completed: "Ready",
  failed: "Failed",
};

/** The status with the conditions of a phase. A condition that stays as it is keeps its time. */
export function withPhase(
  object: CheckpointObject,
  status: CheckpointStatus,
  phase: Phase,
  reason: CheckpointReason,
  message: string,
  now: number,
): CheckpointStatus {
  const observedGeneration = object.metadata.generation;
  const conditions = conditionsOf({
    holds: HOLDS[phase],
    reason,
    message,
    observedGeneration,
    before: object.status.conditions ?? status.conditions ?? [],
    now: timeOf(now),
  });
  return { ...status, observedGeneration, conditions };
}

/** RFC 3339, with milliseconds. */
export function timeOf(now: number): string {
  return new Date(now).toISOString();
}

/**
 * Until when the engine may still work on something whose outcome nobody knows, ms since the epoch; undefined if there is
 * nothing of the kind.
 */
export function heldUntil({ status }: CheckpointObject, timeoutMs: number): number | undefined {
  if (phaseOf(status) !== "failed" || readyOf(status)?.reason !== "OutcomeUnknown") return undefined;
  const open = (status.containers ?? []).filter(
    ({ startTime, completionTime }) => startTime !== undefined && completionTime === undefined,
  );
  const starts = open.map(({ startTime = "" }) => Date.parse(startTime)).filter(Number.isFinite);
  return starts.length === 0 ? undefined : Math.max(...starts) + timeoutMs;
}
