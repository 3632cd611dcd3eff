import type { CheckpointObject } from "./objects";
import { byAge } from "./objects";
import { podKeyOf, type Occupancy } from "./occupancy";
import type { PerKeyBackoff } from "../../kube";
import { admit, type Admission, type Candidate } from "./slots";
import { phaseOf } from "./state";

/** Pods of a node that are looked at for a free slot. */
const LOOK_AT = 100;

/** Whose turn it is: one at a time for a pod, some for a node, older ones first. */
export class Turns {
  constructor(
    private readonly occupancy: Occupancy,
    private readonly backoff: PerKeyBackoff,
    private readonly maxPerNode: number,
  ) {}

  admit(object: CheckpointObject, nodeName: string, now: number): Admission {
    const { uid } = object.metadata;
    const pod = podKeyOf(object);
    const older = this.waiting(pod, nodeName).filter((one) => byAge(one, object) < 0);
    const busy = this.occupancy.on(pod, nodeName, uid, now);
    return admit({ uid, pod, nodeName }, busy, older.map(candidate), this.maxPerNode);
  }

  /** The first of those that wait for the pod or a node, oldest first: those that a free slot may be for. */
  next(pod: string, nodeName: string | undefined): readonly CheckpointObject[] {
    const forPod = this.occupancy
      .byPod(pod)
      .filter((one) => this.waits(one))
      .toSorted(byAge);
    const forNode = nodeName === undefined ? [] : this.waiting(pod, nodeName);
    const seen = new Set<string>();
    // Of each pod the oldest: the others wait for that one.
    const first = forNode.filter((one) => !seen.has(podKeyOf(one)) && seen.add(podKeyOf(one)));
    const free = first
      .slice(0, LOOK_AT)
      .filter((one) => this.admit(one, nodeName ?? "", Date.now()).admitted);
    return [...forPod.slice(0, 1), ...free];
  }

  private waiting(pod: string, nodeName: string): readonly CheckpointObject[] {
    const all = new Set([...this.occupancy.byNode(nodeName), ...this.occupancy.byPod(pod)]);
    return [...all].filter((one) => this.waits(one)).toSorted(byAge);
  }

  private waits({ metadata, status }: CheckpointObject): boolean {
    return (
      phaseOf(status) === "waiting" &&
      metadata.deletionTimestamp === undefined &&
      !this.backoff.isWaiting(metadata.uid, Date.now())
    );
  }
}

function candidate(object: CheckpointObject): Candidate {
  return { uid: object.metadata.uid, pod: podKeyOf(object), nodeName: object.status.nodeName ?? "" };
}
