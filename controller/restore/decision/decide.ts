import { LATEST } from "../../../api";
import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf } from "../../checkpoints/state";
import { fit, type RestoredContainer, type Surroundings } from "./fit";
import type { AdmittedPod } from "./pod";
import type { RestoreRequest } from "./request";
import { bounded } from "./warnings";
import { kinship, workloadOf } from "./workload";

export type Decision =
  | {
      readonly is: "restore";
      readonly checkpoint: CheckpointObject;
      readonly containers: readonly RestoredContainer[];
      readonly nodeSelector: Readonly<Record<string, string>>;
      /** For whoever creates the pod. */
      readonly warnings: readonly string[];
    }
  /** Not restored, and starts as any pod. */
  | { readonly is: "fresh"; readonly why: string }
  /** Not admitted. */
  | { readonly is: "deny"; readonly why: string }
  /** Only a checkpoint that another admission has claimed: what becomes of that is to be seen. */
  | { readonly is: "busy"; readonly why: string; readonly checkpoint: CheckpointObject };

/** More of them are not told of. */
const REASONS = 3;

/**
 * Checkpoints that the request may mean, the first choice first. `latest`: of each pod of the same workload and pod
 * template the newest that was completed, so that nothing goes back behind a newer state.
 */
export function candidates(
  pod: AdmittedPod,
  { from }: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
): readonly CheckpointObject[] {
  if (from !== LATEST) return checkpoints.filter(({ metadata }) => metadata.name === from);
  const kin = checkpoints.filter((one) => isUsable(one) && kinship(pod, one) === "same").toSorted(byNews);
  const sources = new Set<string>();
  return kin.filter(({ spec, status }) => {
    const source = status.podUID ?? spec.podRef.name;
    return !sources.has(source) && sources.add(source);
  });
}

/**
 * What becomes of a pod that asks to be restored.
 * @param checkpoints of the pod's namespace
 */
export function decide(
  pod: AdmittedPod,
  request: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
  around: Surroundings,
): Decision {
  const refused: string[] = [];
  let busy: Decision | undefined;
  for (const checkpoint of candidates(pod, request, checkpoints)) {
    const { name } = checkpoint.metadata;
    const found = fit(pod, request, checkpoint, around);
    if (found.fits === true) {
      const { containers, nodeSelector, warnings } = found;
      return { is: "restore", checkpoint, containers, nodeSelector, warnings: bounded(warnings, name) };
    }
    const why = `Checkpoint ${name}: ${found.why}`;
    if (found.fits === "busy") busy ??= { is: "busy", why, checkpoint };
    refused.push(why);
  }
  return busy ?? without(request, refused.length > 0 ? told(refused) : nothing(pod, request, checkpoints));
}

/** What the policy says of a pod that cannot be restored. */
export function without({ fallback }: RestoreRequest, why: string): Decision {
  return { is: fallback === "stop" ? "deny" : "fresh", why };
}

function nothing(
  pod: AdmittedPod,
  { from }: RestoreRequest,
  checkpoints: readonly CheckpointObject[],
): string {
  if (from !== LATEST) return `there is no Checkpoint ${from} in the namespace`;
  const of = workloadOf(pod);
  if (pod.owner?.kind === "DaemonSet") return `${LATEST} is not for pods of a DaemonSet: name a Checkpoint`;
  const before = checkpoints.filter((one) => isUsable(one) && kinship(pod, one) === "template");
  const [newest] = before.toSorted(byNews);
  return newest === undefined
    ? `there is no completed Checkpoint of ${of}`
    : `Checkpoint ${newest.metadata.name} of ${of} is of another pod template; name it to restore it all the same`;
}

function told(reasons: readonly string[]): string {
  const left = reasons.length - REASONS;
  return [...reasons.slice(0, REASONS), ...(left > 0 ? [`and ${left} more`] : [])].join("; ");
}

function isUsable({ metadata, status }: CheckpointObject): boolean {
  return metadata.deletionTimestamp === undefined && phaseOf(status) === "completed";
}

/** The newest first; of one moment by name, so that all replicas choose the same. */
function byNews(a: CheckpointObject, b: CheckpointObject): number {
  const time = ({ status }: CheckpointObject) => Date.parse(status.completionTime ?? "") || 0;
  return time(b) - time(a) || (a.metadata.name < b.metadata.name ? -1 : 1);
}
