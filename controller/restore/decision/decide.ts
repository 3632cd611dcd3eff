import { LATEST } from "../../../api";
import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf } from "../../checkpoints/state";
import type { SkipCause } from "../reasons";
import { boundedWarnings, fit, type ClusterState, type Placement } from "./fit";
import { matchWorkload, workloadOf, type AdmittedPod, type RestoreRequest } from "./pod";

export type Decision =
  | {
      readonly is: "restore";
      readonly checkpoint: CheckpointObject;
      /** Names of the restored containers. */
      readonly containers: readonly string[];
      /** The RuntimeClass whose handler restores the containers by a plan, and the labels of its nodes. */
      readonly placement: Placement & { readonly runtimeClass: string };
      /** Warnings that the API server returns to the client that creates the pod. */
      readonly warnings: readonly string[];
    }
  /** The pod starts without a checkpoint. */
  | { readonly is: "fresh"; readonly reason: string; readonly cause: SkipCause }
  /** The pod must not start without a checkpoint. */
  | { readonly is: "deny"; readonly reason: string; readonly cause: SkipCause }
  /** An annotation is invalid. */
  | { readonly is: "invalid"; readonly reason: string; readonly cause: "InvalidRequest" }
  /** The only fitting Checkpoint is claimed by another admission, whose outcome is unknown. */
  | {
      readonly is: "busy";
      readonly reason: string;
      readonly cause: "InUse";
      readonly checkpoint: CheckpointObject;
    };

/** Maximum number of reasons in a message. Further ones are counted. */
const MAX_REASONS = 3;

/**
 * Returns the Checkpoints that the request selects, the preferred one first. `latest` selects the newest completed one of
 * each pod of the same workload and pod template, so that no older state is restored.
 */
export function candidates(
  pod: AdmittedPod,
  { from }: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
): readonly CheckpointObject[] {
  if (from !== LATEST) return checkpoints.filter(({ metadata }) => metadata.name === from);
  // A pod can have tens of thousands, of which only the newest counts: they are not sorted.
  const newest = new Map<string, Timed>();
  for (const checkpoint of checkpoints) {
    if (!isUsable(checkpoint) || matchWorkload(pod, checkpoint) !== "same") continue;
    const { spec, status } = checkpoint;
    const source = status.podUID ?? spec.podRef.name;
    const [known, one] = [newest.get(source), timed(checkpoint)];
    if (known === undefined || newestFirst(one, known) < 0) newest.set(source, one);
  }
  return [...newest.values()].toSorted(newestFirst).map(({ checkpoint }) => checkpoint);
}

/**
 * Decides whether and from which Checkpoint a pod is restored.
 * @param checkpoints of the pod's namespace
 */
export function decide(
  pod: AdmittedPod,
  request: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
  cluster: ClusterState,
): Decision {
  const reasons: string[] = [];
  /** Of the preferred Checkpoint. */
  let first: SkipCause | undefined;
  let busy: Decision | undefined;
  for (const checkpoint of candidates(pod, request, checkpoints)) {
    const { name } = checkpoint.metadata;
    const found = fit(pod, request, checkpoint, cluster);
    if (found.fits === true) {
      const { fits: _fits, warnings, ...how } = found;
      return { is: "restore", checkpoint, ...how, warnings: boundedWarnings(warnings, name) };
    }
    const reason = `Checkpoint ${name}: ${found.reason}`;
    first ??= found.cause;
    if (found.fits === "busy") busy ??= { is: "busy", reason, cause: found.cause, checkpoint };
    reasons.push(reason);
  }
  if (busy) return busy;
  const why =
    first === undefined ? noCandidate(pod, request, checkpoints) : { reason: summary(reasons), cause: first };
  return { is: request.fallback === "stop" ? "deny" : "fresh", ...why };
}

/** Returns why the request selects no Checkpoint. */
function noCandidate(
  pod: AdmittedPod,
  { from }: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
): { readonly reason: string; readonly cause: SkipCause } {
  const none = (reason: string) => ({ reason, cause: "NoCheckpoint" as const });
  if (from !== LATEST) return none(`Checkpoint ${from} does not exist in the namespace`);
  const workload = workloadOf(pod);
  if (pod.owner?.kind === "DaemonSet")
    return none(`${LATEST} does not apply to pods of a DaemonSet: name a Checkpoint`);
  const others = checkpoints.filter((one) => isUsable(one) && matchWorkload(pod, one) === "otherTemplate");
  const [newest] = others.map(timed).toSorted(newestFirst);
  if (newest === undefined) return none(`no completed Checkpoint of ${workload} exists`);
  const reason = `Checkpoint ${newest.checkpoint.metadata.name} of ${workload} has another pod template; name it to restore it`;
  return { reason, cause: "OtherTemplate" };
}

function summary(reasons: readonly string[]): string {
  const left = reasons.length - MAX_REASONS;
  return [...reasons.slice(0, MAX_REASONS), ...(left > 0 ? [`and ${left} more`] : [])].join("; ");
}

function isUsable({ metadata, status }: CheckpointObject): boolean {
  return metadata.deletionTimestamp === undefined && phaseOf(status) === "completed";
}

/** A Checkpoint and when it was completed, ms since the epoch. */
interface Timed {
  readonly checkpoint: CheckpointObject;
  readonly completedMs: number;
}

function timed(checkpoint: CheckpointObject): Timed {
  return { checkpoint, completedMs: Date.parse(checkpoint.status.completionTime ?? "") || 0 };
}

/** Orders by time, newest first, then by name, so that all replicas choose the same Checkpoint. */
function newestFirst(a: Timed, b: Timed): number {
  return b.completedMs - a.completedMs || (a.checkpoint.metadata.name < b.checkpoint.metadata.name ? -1 : 1);
}
