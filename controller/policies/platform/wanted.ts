import { CHECKPOINT_POLICY } from "../../../api";
import { checkPolicy } from "../../../config/install";
import type { PolicyPlatformSettings } from "../../../config/programs/controller";
import { formatProblem } from "../../../config/schema";
import { Turn } from "../../../kube";
import type { PolicyObject } from "../objects";
import type { Wanted } from "./plan";

/** Returns whether a policy names the platform as its executor. A ClusterCheckpointPolicy cannot. */
export function namesPlatform({ metadata, spec }: PolicyObject): boolean {
  return metadata.namespace !== undefined && spec.executor === "Platform";
}

/** Returns whether the status of a policy names a copy. The status of a ClusterCheckpointPolicy is ignored. */
export function namesCopy({ metadata, status }: PolicyObject): boolean {
  return metadata.namespace !== undefined && status.platform !== undefined;
}

interface Found {
  readonly wanted?: Wanted;
  readonly problem?: string;
}

/** What the platform must have for policies. */
export class WantedPolicies {
  private readonly known = new Map<string, Found & { readonly generation: number }>();
  private readonly turn = new Turn(1);

  constructor(private readonly heartbeatUnit: PolicyPlatformSettings["heartbeatUnit"]) {}

  /** Returns the result of `wantedOf`. Evaluating the rules takes more than a millisecond, so it is done once for each generation, each in its own turn. */
  async of(object: PolicyObject): Promise<Found> {
    const { uid, generation } = object.metadata;
    const known = this.known.get(uid);
    if (known?.generation === generation) return known;
    await this.turn.next();
    const found = { ...wantedOf(object, this.heartbeatUnit), generation };
    this.known.set(uid, found);
    return found;
  }

  /** Removes the results of other policies. */
  keep(uids: ReadonlyMap<string, unknown>): void {
    for (const uid of this.known.keys()) if (!uids.has(uid)) this.known.delete(uid);
  }
}

/**
 * Returns what the platform must have for a policy: nothing while it is suspended or being deleted, or if it cannot be expressed there.
 * The API server rejects such policies, but its rules do not apply to policies that were stored before the rules existed.
 */
function wantedOf(object: PolicyObject, heartbeatUnit: PolicyPlatformSettings["heartbeatUnit"]): Found {
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
