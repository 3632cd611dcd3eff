import type { KubernetesClient } from "../../../kube/client";
import type { RestoreSettings } from "../../../config/programs/controller";
import { LATEST, REQUEST, RESTORED_FROM } from "../../../api/restore";
import { CHECKPOINT, projectCheckpoint, type CheckpointObject } from "../../checkpoints/objects";
import { getCheckpoint, getPod } from "../../checkpoints/requests";
import { itemsAt, pathOf, textAt, type Json, type Logger } from "../../../kube/runtime";
import { sleep } from "../../../kube/runtime/backoff";
import type { Claims } from "../claims";
import {
  decide,
  mutation,
  projectAdmittedPod,
  readRequest,
  type AdmittedPod,
  type Decision,
} from "../decision";
import { POD, projectPod } from "../pods";
import type { Report } from "../report";
import type { PodReview, Verdict } from "./review";

export interface AdmitterOptions {
  readonly settings: Pick<RestoreSettings, "nodeSelector">;
  /** Reads pods and Checkpoints. */
  readonly client: Pick<KubernetesClient, "send">;
  readonly claims: Claims;
  readonly report: Report;
  readonly log: Logger;
}

/** The API server waits for 5 s; what is not done by then is not begun. */
const BUDGET_MS = 4000;
/** How long the end of another admission is waited for, and how often it is looked for. */
const PATIENCE_MS = 2000;
const LOOK_MS = 200;
const READ_TIMEOUT_MS = 2000;

/** Decides on pods that ask to be restored, and claims what they are restored from. On every replica. */
export class Admitter {
  constructor(private readonly options: AdmitterOptions) {}

  /** @throws Error if the API server cannot be asked in time: then the policy of the webhook decides */
  async admit(review: PodReview): Promise<Verdict> {
    const { report, log } = this.options;
    const begin = performance.now();
    let result = "error";
    try {
      const look = new Look(this.options, review, begin);
      const decision = await look.decide();
      result = decision.is;
      const verdict = look.verdict(decision);
      const { name, generateName } = look.pod;
      const said = decision.is === "restore" ? decision.checkpoint.metadata.name : decision.why;
      log.info({ namespace: review.namespace, pod: name ?? generateName, result, said }, "admission");
      return verdict;
    } finally {
      report.admitted(result, (performance.now() - begin) / 1000);
    }
  }
}

/** One admission: looks until it has an answer that holds. */
class Look {
  readonly pod: AdmittedPod;
  /** Read since, by UID. */
  private readonly read = new Map<string, CheckpointObject | undefined>();
  /** Whether pods run, by UID, of those that were looked at. */
  private readonly running = new Map<string, boolean>();
  private shared = false;
  /** Those that the pod may mean, as read in the beginning: a watch may be late, and a state be thrown away for it. */
  private known: readonly CheckpointObject[] = [];

  constructor(
    private readonly options: AdmitterOptions,
    private readonly review: PodReview,
    private readonly beginMs: number,
  ) {
    this.pod = projectAdmittedPod(review.pod);
  }

  async decide(): Promise<Decision> {
    const request = readRequest(this.pod.annotations);
    if (typeof request === "string") return { is: "deny", why: request };
    this.shared = request.shared;
    this.known = await this.list(request.from);
    const { nodeSelector } = this.options.settings;
    for (;;) {
      if (this.passedMs() > BUDGET_MS) throw new Error(`no answer after ${BUDGET_MS} ms`);
      const running = new Set([...this.running].filter(([, runs]) => runs).map(([uid]) => uid));
      const decision = decide(this.pod, request, this.checkpoints(), { running, nodeSelector });
      if (decision.is === "restore") {
        if (await this.looksAtSource(decision.checkpoint)) continue;
        if (request.shared || this.review.dryRun || (await this.claim(decision.checkpoint))) return decision;
      } else if (decision.is === "busy") {
        if (await this.isHeld(decision.checkpoint)) continue;
        if (this.passedMs() > PATIENCE_MS) return decision;
        await sleep(LOOK_MS, NEVER);
      } else return decision;
    }
  }

  verdict(decision: Decision): Verdict {
    const { uid, pod } = this.review;
    switch (decision.is) {
      case "restore": {
        const patch = mutation(pod, decision, this.shared ? undefined : uid);
        return { allowed: true, patch, warnings: decision.warnings };
      }
      case "fresh":
        return {
          allowed: true,
          patch: mutation(pod, decision, undefined),
          warnings: [`starts fresh: ${decision.why}`],
        };
      case "busy":
        return { allowed: false, code: 409, message: `${decision.why}; try again` };
      default:
        return { allowed: false, code: 403, message: `${REQUEST.from}: ${decision.why}` };
    }
  }

  private passedMs(): number {
    return performance.now() - this.beginMs;
  }

  /** As read in the beginning, or since. */
  private checkpoints(): readonly CheckpointObject[] {
    return this.known.flatMap((one) => {
      const { uid } = one.metadata;
      const now = this.read.has(uid) ? this.read.get(uid) : one;
      return now === undefined ? [] : [now];
    });
  }

  private async list(from: string): Promise<readonly CheckpointObject[]> {
    if (from !== LATEST) return [await this.get(from)].filter((one) => one !== undefined);
    const path = pathOf(CHECKPOINT, this.review.namespace);
    const list = (await this.options.client.send("GET", path)) as Json;
    return itemsAt(list, "items").map(projectCheckpoint);
  }

  /** @returns true if the pod of which the Checkpoint is was looked at only now */
  private async looksAtSource({ spec, status }: CheckpointObject): Promise<boolean> {
    const { podUID } = status;
    if (podUID === undefined || this.running.has(podUID)) return false;
    const pod = await getPod(this.options.client, this.review.namespace, spec.podRef.name);
    this.running.set(podUID, textAt(pod, "metadata", "uid") === podUID && runs(pod));
    return true;
  }

  /** @returns false if the Checkpoint is another by now: it is read anew */
  private async claim(checkpoint: CheckpointObject): Promise<boolean> {
    const { uid: id } = this.review;
    const { name: podName } = this.pod;
    if (await this.options.claims.claim(checkpoint, { id, podName }, READ_TIMEOUT_MS)) return true;
    await this.refresh(checkpoint);
    return false;
  }

  private async refresh({ metadata: { name, uid } }: CheckpointObject): Promise<void> {
    const live = await this.get(name);
    this.read.set(uid, live?.metadata.uid === uid ? live : undefined);
  }

  private get(name: string): Promise<CheckpointObject | undefined> {
    return getCheckpoint(this.options.client, this.review.namespace, name);
  }

  /**
   * Whether the claim's pod is there, though the leader has not written so yet. Then it is taken as written; if not, the
   * Checkpoint is read anew.
   */
  private async isHeld(checkpoint: CheckpointObject): Promise<boolean> {
    const { namespace, uid } = checkpoint.metadata;
    const { restore } = checkpoint.status;
    const query = { labelSelector: `${RESTORED_FROM}=${uid}` };
    const list = (await this.options.client.send("GET", pathOf(POD, namespace), undefined, {
      query,
    })) as Json;
    const holder = itemsAt(list, "items")
      .map(projectPod)
      .find(({ claim }) => claim !== undefined && claim === restore?.claim);
    if (holder === undefined || restore === undefined) {
      await this.refresh(checkpoint);
      return false;
    }
    const { name: podName, uid: podUID } = holder.metadata;
    this.read.set(uid, {
      ...checkpoint,
      status: { ...checkpoint.status, restore: { ...restore, podName, podUID } },
    });
    return true;
  }
}

/** Not one that is being deleted or has ended: it does not go on any more. */
function runs(pod: Json | undefined): boolean {
  const phase = textAt(pod, "status", "phase") ?? "Pending";
  return (
    textAt(pod, "metadata", "deletionTimestamp") === undefined && phase !== "Succeeded" && phase !== "Failed"
  );
}

const NEVER = new AbortController().signal;
