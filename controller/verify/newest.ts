import type { CachedObjects, Json } from "../../kube";
import { textAt } from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { ownerOf } from "../checkpoints/owner";
import { phaseOf } from "../checkpoints/state";
import { matchWorkload, projectAdmittedPod } from "../restore/decision";

/** Finds the newest completed Checkpoint of a pod, or else of its workload: with the same owner and pod template. */
export class Newest {
  private readonly byName;
  private readonly byOwner;

  constructor(checkpoints: Pick<CachedObjects<CheckpointObject>, "index">) {
    this.byName = checkpoints.index(({ metadata: { namespace }, spec }) => [
      `${namespace}/${spec.podRef.name}`,
    ]);
    this.byOwner = checkpoints.index(({ metadata: { namespace }, status: { owner } }) =>
      owner === undefined ? [] : [`${namespace}/${owner.name}`],
    );
  }

  of(pod: Json): CheckpointObject | undefined {
    const [namespace, name, uid] = ["namespace", "name", "uid"].map((field) =>
      textAt(pod, "metadata", field),
    );
    const ofName = this.byName(`${namespace}/${name}`);
    const own = newestOf(ofName.filter(({ status }) => uid !== undefined && status.podUID === uid));
    if (own) return own;
    const admitted = projectAdmittedPod(pod);
    const owner = ownerOf(pod);
    const ofOwner = owner === undefined ? [] : this.byOwner(`${namespace}/${owner.name}`);
    return newestOf([...ofName, ...ofOwner].filter((one) => matchWorkload(admitted, one) === "same"));
  }
}

function newestOf(checkpoints: readonly CheckpointObject[]): CheckpointObject | undefined {
  const time = ({ status }: CheckpointObject) => Date.parse(status.completionTime ?? "") || 0;
  return checkpoints
    .filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && phaseOf(status) === "completed",
    )
    .toSorted((a, b) => time(b) - time(a) || (a.metadata.name < b.metadata.name ? -1 : 1))[0];
}
