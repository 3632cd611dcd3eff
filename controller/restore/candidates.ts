import { LATEST, REQUEST } from "../../api";
import type { CheckpointObject } from "../checkpoints/objects";
import { CHECKPOINT } from "../checkpoints/objects";
import { isFinished } from "../checkpoints/state";
import { hasStatus, type CachedObjects, type Client, type Index, type Logger } from "../../kube";
import { deploymentOf, selectorOf, templateHashOf, type AdmittedPod } from "./decision";

/** Checkpoints in progress that are read one by one. Beyond that, one consistent list is faster. */
const MAX_READS = 10;
/** How long all Checkpoints are listed after the API server rejected the selector: the CRD may be updated meanwhile. */
const UNSELECTABLE_MS = 600_000;

export interface CandidatesOptions {
  readonly client: Client;
  /** Cached Checkpoints, which may be late: only for messages. See `relatedIn`. */
  readonly related: Index<CheckpointObject>;
  readonly log: Logger;
}

/**
 * Finds the Checkpoints that `latest` may select for a pod, without a list of all Checkpoints of the namespace: the API
 * server selects them by a field.
 */
export class Candidates {
  /** Until when the CRD is assumed to have no selectable fields, by the monotonic clock. */
  private unselectableUntilMs = 0;

  constructor(private readonly options: CandidatesOptions) {}

  /**
   * Returns the Checkpoints of the pod's workload, and those of its Deployment with another pod template.
   * @param consistent reads the newest version. Otherwise the selection is from the API server's cache, and only
   *   Checkpoints in progress are read in their newest version: no checkpoint is completed while it is not in the cache
   */
  async of(
    namespace: string,
    pod: AdmittedPod,
    { consistent, timeoutMs }: { readonly consistent: boolean; readonly timeoutMs: number },
  ): Promise<readonly CheckpointObject[]> {
    const fieldSelector = selectorOf(pod);
    if (fieldSelector === undefined) return [];
    const found = await this.select(namespace, fieldSelector, !consistent, timeoutMs);
    const inProgress = consistent ? [] : found.filter(({ status }) => !isFinished(status));
    if (inProgress.length > MAX_READS) return this.of(namespace, pod, { consistent: true, timeoutMs });
    const { client } = this.options;
    const read = await Promise.all(
      inProgress.map((one) => client.get(CHECKPOINT, one.metadata, { timeoutMs })),
    );
    const finished = found.filter((one) => !inProgress.includes(one));
    const all = [...finished, ...read.filter((one) => one !== undefined)];
    const known = new Set(all.map(({ metadata }) => metadata.uid));
    return [...all, ...this.related(namespace, pod).filter(({ metadata }) => !known.has(metadata.uid))];
  }

  private async select(
    namespace: string,
    fieldSelector: string,
    cached: boolean,
    timeoutMs: number,
  ): Promise<readonly CheckpointObject[]> {
    const { client, log } = this.options;
    if (performance.now() >= this.unselectableUntilMs) {
      try {
        return await client.list(CHECKPOINT, { namespace, fieldSelector, cached, whole: true, timeoutMs });
      } catch (error) {
        if (!hasStatus(error, 400)) throw error;
        this.unselectableUntilMs = performance.now() + UNSELECTABLE_MS;
        const cause = "the CRD of Checkpoints is of an earlier version, without selectable fields";
        const effect = `each pod with ${REQUEST.from}: ${LATEST} reads all Checkpoints of its namespace`;
        log.warn({ error: String(error) }, `${cause}: ${effect}. Apply the CRDs of this version`);
      }
    }
    return client.list(CHECKPOINT, { namespace, timeoutMs });
  }

  /** Returns Checkpoints of the same Deployment and another pod template: of other ReplicaSets, which are not selected. */
  private related(namespace: string, pod: AdmittedPod): readonly CheckpointObject[] {
    const { owner } = pod;
    if (owner?.kind !== "ReplicaSet") return [];
    const deployment = deploymentOf(owner.name, templateHashOf(pod));
    const all = this.options.related(`${namespace}/${deployment}`);
    return all.filter(({ status }) => status.owner?.name !== owner.name);
  }
}

/** Returns the index of Checkpoints by the Deployment of their pods. */
export function relatedIn(checkpoints: CachedObjects<CheckpointObject>): Index<CheckpointObject> {
  return checkpoints.index(({ metadata: { namespace }, status: { owner, podTemplateHash } }) =>
    owner?.kind === "ReplicaSet" ? [`${namespace}/${deploymentOf(owner.name, podTemplateHash)}`] : [],
  );
}
