import { CHECKPOINT_POLICY } from "../../../api";
import { checkPolicy } from "../../../config/install";
import type { PolicyPlatformSettings } from "../../../config/programs/controller";
import { formatProblem } from "../../../config/schema";
import type { PolicyObject } from "../objects";
import type { Wanted } from "./plan";

/** Returns whether a policy names the platform as its executor. A ClusterCheckpointPolicy cannot. */
export function namesPlatform({ metadata, spec }: PolicyObject): boolean {
  return metadata.namespace !== undefined && spec.executor === "Platform";
}

/** Returns whether the status of a policy names a copy. That of a ClusterCheckpointPolicy means nothing. */
export function namesCopy({ metadata, status }: PolicyObject): boolean {
  return metadata.namespace !== undefined && status.platform !== undefined;
}

/**
 * Returns what the platform must have for a policy: nothing while it is suspended or being deleted, or if it cannot be expressed there.
 * The API server rejects the last, but its rules do not hold for what was stored before them.
 */
export function wantedOf(
  object: PolicyObject,
  heartbeatUnit: PolicyPlatformSettings["heartbeatUnit"],
): { readonly wanted?: Wanted; readonly problem?: string } {
  const { metadata, spec } = object;
  const { namespace, name, deletionTimestamp } = metadata;
  if (namespace === undefined || !namesPlatform(object) || deletionTimestamp !== undefined) return {};
  const { problems } = checkPolicy(CHECKPOINT_POLICY, { metadata, spec });
  if (problems) return { problem: problems.map(formatProblem).join("; ") };
  if (spec.suspend) return {};
  const seconds = spec.trigger.heartbeat?.intervalSeconds;
  if (seconds === undefined) return { problem: "spec.trigger.heartbeat.intervalSeconds is missing" };
  return { wanted: { namespace, name, heartbeat: heartbeatUnit === "minutes" ? seconds / 60 : seconds } };
}
