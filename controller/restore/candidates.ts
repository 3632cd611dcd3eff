import { LATEST, REQUEST } from "../../api";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { hasStatus, type CachedObjects, type Client, type Index, type Logger } from "../../kube";
import { deploymentOf } from "../checkpoints/owner";
import { selectorOf, templateHashOf, type AdmittedPod } from "./decision";

/** How long all Checkpoints are listed after the API server rejected the selector: the CRD may be updated meanwhile. */
const UNSELECTABLE_MS = 600_000;
/** How long the watch may take to deliver a claim. A healthy one takes some milliseconds. */
const BARRIER_MS = 500;

export interface CandidatesOptions {
  readonly client: Client;
  readonly checkpoints: CachedObjects<CheckpointObject>;
  readonly log: Logger;
}

/**
 * Finds the Checkpoints that `latest` may select for a pod: in an index of the cache, or in the newest version from the API
 * server, which selects them by a field. Neither reads all Checkpoints of the namespace.
 */
export class Candidates {
  /** By namespace and the fields that `selectorOf` selects by. */
  private readonly byField: Index<CheckpointObject>;
  /** By namespace and Deployment. */
  private readonly byDeployment: Index<CheckpointObject>;
  /** Until when the CRD is assumed to have no selectable fields, by the monotonic clock. */
  private unselectableUntilMs = 0;

  constructor(private readonly options: CandidatesOptions) {
    const { checkpoints } = options;
    this.byField = checkpoints.index(({ metadata: { namespace }, spec, status: { owner } }) => [
      `${namespace} spec.podRef.name=${spec.podRef.name}`,
      ...(owner === undefined ? [] : [`${namespace} status.owner.name=${owner.name}`]),
    ]);
    this.byDeployment = checkpoints.index(({ metadata: { namespace }, status: { owner, podTemplateHash } }) =>
      owner?.kind === "ReplicaSet" ? [`${namespace} ${deploymentOf(owner.name, podTemplateHash)}`] : [],
    );
  }

  /** Returns the Checkpoints of the pod's workload that are cached. They may be late: see `includes`. */
  cached(namespace: string, pod: AdmittedPod): readonly CheckpointObject[] {
    const fieldSelector = selectorOf(pod);
    if (fieldSelector === undefined) return [];
    return [...this.byField(`${namespace} ${fieldSelector}`), ...this.related(namespace, pod)];
  }

  /** Waits until the cache has everything that was written before this claim. @returns false if it does not in time */
  includes(claimed: CheckpointObject): Promise<boolean> {
    return this.options.checkpoints.includes(claimed, BARRIER_MS);
  }

  /** Reads the newest version of the Checkpoints of the pod's workload. */
  async newest(namespace: string, pod: AdmittedPod, timeoutMs: number): Promise<readonly CheckpointObject[]> {
    const fieldSelector = selectorOf(pod);
    if (fieldSelector === undefined) return [];
    const found = await this.select(namespace, fieldSelector, timeoutMs);
    const known = new Set(found.map(({ metadata }) => metadata.uid));
    return [...found, ...this.related(namespace, pod).filter(({ metadata }) => !known.has(metadata.uid))];
  }

  private async select(
    namespace: string,
    fieldSelector: string,
    timeoutMs: number,
  ): Promise<readonly CheckpointObject[]> {
    const { client, log } = this.options;
    if (performance.now() >= this.unselectableUntilMs) {
      try {
        return await client.list(CHECKPOINT, { namespace, fieldSelector, whole: true, timeoutMs });
      } catch (error) {
        if (!hasStatus(error, 400)) throw error;
        this.unselectableUntilMs = performance.now() + UNSELECTABLE_MS;
        const cause = "the CRD of Checkpoints is of an earlier version, without selectable fields";
        const effect = `pods with ${REQUEST.from}: ${LATEST} may need all Checkpoints of their namespace`;
        log.warn({ error: String(error) }, `${cause}: ${effect}. Apply the CRDs of this version`);
      }
    }
    return client.list(CHECKPOINT, { namespace, timeoutMs });
  }

  /**
   * Returns cached Checkpoints of the same Deployment and another pod template: of other ReplicaSets, which are not selected.
   * They are not restored, but named in the reason.
   */
  private related(namespace: string, pod: AdmittedPod): readonly CheckpointObject[] {
    const { owner } = pod;
    if (owner?.kind !== "ReplicaSet") return [];
    const deployment = deploymentOf(owner.name, templateHashOf(pod));
    const all = this.byDeployment(`${namespace} ${deployment}`);
    return all.filter(({ status }) => status.owner?.name !== owner.name);
  }
}
