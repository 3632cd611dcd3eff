import {
  conditionsOf,
  toolConditions,
  type CheckpointCondition,
  type CheckpointConditionType,
  type CheckpointReason,
  type CheckpointStatus,
} from "../../api";
import type { CheckpointObject } from "./objects";

/**
 * The phase of a Checkpoint, from its status.
 * - `pending`: no engine has received a request
 * - `requested`: the engine may have received the request; written before it is sent
 * - `missing`: it was completed, and a restore found no artifact
 */
export type Phase = "pending" | "requested" | "completed" | "missing" | "failed";

export function phaseOf({ conditions = [] }: CheckpointStatus): Phase {
  let [phase, isMissing]: [Phase, boolean] = ["pending", false];
  for (const { type, status, reason } of conditions) {
    if (type === "Ready" && status === "True") return "completed";
    if (type === "Ready") isMissing = reason === "ImageNotFound";
    if (status !== "True") continue;
    if (type === "Failed") phase = "failed";
    else if (type === "Progressing" && phase === "pending") phase = "requested";
  }
  return isMissing ? "missing" : phase;
}

export function isFinished(status: CheckpointStatus): boolean {
  const phase = phaseOf(status);
  return phase === "completed" || phase === "missing" || phase === "failed";
}

/** Returns whether no engine has received the Checkpoint yet, and it was not deleted. */
export function isWaiting({ metadata, status }: CheckpointObject): boolean {
  return metadata.deletionTimestamp === undefined && phaseOf(status) === "pending";
}

export function readyOf({ conditions = [] }: CheckpointStatus): CheckpointCondition | undefined {
  return conditions.find(({ type }) => type === "Ready");
}

const HOLDS: Readonly<Record<Phase, CheckpointConditionType | undefined>> = {
  pending: undefined,
  requested: "Progressing",
  completed: "Ready",
  missing: undefined,
  failed: "Failed",
};

/** How tools see each phase. */
const ENDS: Readonly<Record<Phase, Parameters<typeof toolConditions>[1]>> = {
  pending: "open",
  requested: "open",
  completed: "completed",
  missing: "failed",
  failed: "failed",
};

/** Returns the status with the conditions of a phase. An unchanged condition keeps its transition time. */
export function withPhase(
  object: CheckpointObject,
  status: CheckpointStatus,
  phase: Phase,
  reason: CheckpointReason,
  message: string,
  now: number,
): CheckpointStatus {
  const observedGeneration = object.metadata.generation;
  const before = object.status.conditions ?? status.conditions ?? [];
  const input = { reason, message, observedGeneration, before, now: timeOf(now) };
  const conditions = [
    ...conditionsOf({ ...input, holds: HOLDS[phase] }),
    ...toolConditions(input, ENDS[phase]),
  ];
  return { ...status, observedGeneration, conditions };
}

/** Formats a time as RFC 3339 with milliseconds. */
export function timeOf(now: number): string {
  return new Date(now).toISOString();
}

/**
 * Returns until when a Checkpoint with an unknown outcome keeps its reservation, ms since the epoch: the engine may still work
 * on it. Undefined for other Checkpoints.
 */
export function reservedUntil({ status }: CheckpointObject, timeoutMs: number): number | undefined {
  if (phaseOf(status) !== "failed" || readyOf(status)?.reason !== "OutcomeUnknown") return undefined;
  return openUntil(status, timeoutMs);
}

/** Returns until when an engine may work on the containers that have no outcome, ms since the epoch; undefined if all have. */
export function openUntil(status: CheckpointStatus, timeoutMs: number): number | undefined {
  const open = (status.containers ?? []).filter(
    ({ startTime, completionTime }) => startTime !== undefined && completionTime === undefined,
  );
  const starts = open.map(({ startTime = "" }) => Date.parse(startTime)).filter(Number.isFinite);
  return starts.length === 0 ? undefined : Math.max(...starts) + timeoutMs;
}
