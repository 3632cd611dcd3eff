import { RESTORED_FROM } from "../../api";
import type { RestoreSettings } from "../../config/programs/controller";
import type { Cache, CachedObjects } from "../../kube";
import { type CheckpointObject } from "../checkpoints/objects";
import type { PlanRestore } from "../engines";
import { NODE_RESTORE, outcomeOf, type NodeRestoreObject } from "../restore/plan";
import { hasEnded, RESTORED_POD, type RestoredPod } from "../restore/pods";
import { digestOf, namesOf } from "./artifact";

/** Finds what uses an artifact: Checkpoints that name it, and restores that read it. */
export class Uses {
  /** Whether pods are restored. */
  readonly hasRestores: boolean;
  /** Objects of restores. */
  readonly sources: readonly CachedObjects<never>[];
  readonly nodeRestores: CachedObjects<NodeRestoreObject> | undefined;
  private readonly named: (name: string) => readonly CheckpointObject[];
  private readonly requested: (name: string) => readonly NodeRestoreObject[];
  private readonly pods: (uid: string) => readonly RestoredPod[];
  private readonly place: string;

  /** @param restore settings of restores and how they are requested. Undefined: no pods are restored */
  constructor(
    checkpoints: CachedObjects<CheckpointObject>,
    cache: Cache,
    restore: { readonly settings: RestoreSettings; readonly method: PlanRestore } | undefined,
  ) {
    this.named = checkpoints.index((object) => [object.metadata.uid, ...namesOf(object)]);
    this.place = restore?.method.namespace ?? "";
    this.hasRestores = restore !== undefined;
    if (restore === undefined) {
      this.sources = [];
      this.requested = () => [];
      this.pods = () => [];
      return;
    }
    const { namespaces } = restore.settings;
    this.nodeRestores = cache.objects(NODE_RESTORE, { namespaces: [this.place] });
    this.requested = this.nodeRestores.index(({ spec }) => [spec.checkpointUID, digestOf(spec.image)]);
    const pods = cache.objects(RESTORED_POD, { namespaces, labelSelector: RESTORED_FROM, skipDenied: true });
    this.pods = pods.index(({ from }) => (from === undefined ? [] : [from]));
    this.sources = [this.nodeRestores as never];
  }

  /** Returns the Checkpoints that name the same UID or digest, without duplicates. */
  checkpointsOf(names: readonly string[]): readonly CheckpointObject[] {
    return [...new Set(names.flatMap((name) => this.named(name)))];
  }

  /** Returns whether a NodeRestore names the UID or digest, whatever its state. */
  isRequested(names: readonly string[]): boolean {
    return names.some((name) => this.requested(name).length > 0);
  }

  /** Returns the Checkpoints besides this one that keep naming its artifact. */
  others(object: CheckpointObject): readonly CheckpointObject[] {
    return this.checkpointsOf(namesOf(object)).filter(
      ({ metadata }) => metadata.uid !== object.metadata.uid && metadata.deletionTimestamp === undefined,
    );
  }

  /** Returns which restore needs the artifact of a Checkpoint, for people; undefined if none does. */
  user(object: CheckpointObject): string | undefined {
    const names = namesOf(object);
    const all = this.checkpointsOf(names);
    for (const { status, metadata } of all) {
      const { state, podName } = status.restore ?? {};
      if (state === "Claimed")
        return `Checkpoint ${metadata.name} is claimed by pod ${podName ?? "(not named yet)"}`;
    }
    // The agent reads the registry until it reports the outcome: a lazy restore until all memory is loaded. Later restarts
    // use the files of the plan.
    const reading = names.flatMap((name) => this.requested(name)).find(({ status }) => !outcomeOf(status));
    if (reading) return `pod ${reading.spec.podRef.name} is being restored from it`;
    return this.waiting(all.flatMap(({ metadata }) => this.pods(metadata.uid)));
  }

  /** Returns which of the pods restored from a Checkpoint has not read its artifact yet, for people; undefined if none does. */
  waiting(pods: readonly RestoredPod[]): string | undefined {
    const found = pods.find((pod) => this.waits(pod));
    return found && `pod ${found.metadata.name} waits to be restored from it`;
  }

  /** Returns whether a pod that was admitted for a restore has no NodeRestore yet, as before it has a node. */
  private waits(pod: RestoredPod): boolean {
    if (pod.plan === undefined || pod.failed !== undefined || hasEnded(pod)) return false;
    return this.nodeRestores?.get(`${this.place}/${pod.metadata.uid}`) === undefined;
  }
}
