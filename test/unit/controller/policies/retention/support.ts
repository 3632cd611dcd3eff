import type { RetainedCheckpoint, RetainingPod } from "../../../../../controller/policies/retention/facts";
import { planRetention, type RetentionInput } from "../../../../../controller/policies/retention/plan";

export const NOW = Date.parse("2026-11-28T00:00:00Z");
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** Returns a completed Checkpoint of a policy, of pod web-0, that ended an hour ago. */
export function checkpoint(name: string, more: Partial<RetainedCheckpoint> = {}): RetainedCheckpoint {
  const { lineage = "team-a web-0" } = more;
  return {
    key: `team-a/${name}`,
    uid: `uid-${name}`,
    resourceVersion: "1",
    pod: { namespace: "team-a", isKnown: true },
    podName: "web-0",
    isPool: false,
    source: `pod of ${lineage}`,
    state: "completed",
    endedMs: NOW - HOUR,
    isPinned: false,
    isDeleted: false,
    policy: "nightly",
    ...more,
    lineage,
  };
}

/** Returns Checkpoints of one workload, the oldest first, that ended this many days ago. */
export const aged = (days: readonly number[], more: Partial<RetainedCheckpoint> = {}) =>
  days.map((age) => checkpoint(`d${age}`, { endedMs: NOW - age * DAY, ...more }));

export function pod(uid: string, more: Partial<RetainingPod> = {}): RetainingPod {
  return { uid, name: uid, createdMs: NOW - DAY, isDeleted: false, hasEnded: false, ...more };
}

export function input(
  limits: RetentionInput["limits"],
  checkpoints: readonly RetainedCheckpoint[],
  more: Partial<RetentionInput> = {},
): RetentionInput {
  return { limits, checkpoints, isSelected: () => true, pods: [], named: new Set(), ...more };
}

/** Returns what is decided, by the name of the Checkpoint. */
export function decisions(given: RetentionInput, nowMs = NOW): Record<string, string> {
  return Object.fromEntries(
    planRetention(given, nowMs).map(({ is, checkpoint: { key }, reason }) => [
      key.slice("team-a/".length),
      `${is} ${reason}`,
    ]),
  );
}
