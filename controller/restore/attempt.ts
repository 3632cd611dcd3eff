import type { RestoreSettings } from "../../config/programs/controller";
import { LATEST, NOT_RESTORED, RECORD, REQUEST, RESTORED_FROM } from "../../api";
import { CHECKPOINT, POD, type CheckpointObject } from "../checkpoints/objects";
import {
  sleep,
  textAt,
  type AdmissionRequest,
  type AdmissionResponse,
  type Client,
  type Json,
  type Logger,
} from "../../kube";
import type { Candidates } from "./candidates";
import type { Claims } from "./claims";
import {
  candidates,
  decide,
  isAbandoned,
  isOwnClaim,
  mutation,
  nextAttempts,
  original,
  projectAdmittedPod,
  readRequest,
  refusalOf,
  type AdmittedPod,
  type Decision,
  type Placements,
  type Refusal,
  type RestoreMethods,
  type RestoreRequest,
} from "./decision";
import { FRESH_POD, RESTORED_POD } from "./pods";

export interface AttemptOptions {
  readonly settings: Pick<RestoreSettings, "nodeSelector">;
  readonly methods: RestoreMethods;
  /** Reads pods and Checkpoints. */
  readonly client: Client;
  readonly candidates: Candidates;
  readonly claims: Claims;
  /** Returns why pods or Checkpoints of a namespace cannot be read; undefined if they can. */
  readonly deniedIn: (namespace: string) => string | undefined;
  readonly log: Logger;
}

/** Time after which no further step starts, and all reads end. The API server waits for 5 s. */
const BUDGET_MS = 4000;
/** How long the end of another admission is awaited, and the interval of checks. */
const BUSY_MS = 2000;
const POLL_MS = 200;
const READ_TIMEOUT_MS = 2000;

/** One admission: repeats the decision until the Checkpoint is claimed. */
export class AdmissionAttempt {
  /** The pod without what an earlier call for it has added to its spec. */
  readonly pod: AdmittedPod;
  private readonly placements: Placements;
  /** Checkpoints that were read again, by UID. */
  private readonly read = new Map<string, CheckpointObject | undefined>();
  /** Whether pods run, by UID, of those that were read. */
  private readonly running = new Map<string, boolean>();
  private shared = false;
  private known: readonly CheckpointObject[] = [];
  /** Whether these candidates were read from the API server. With a late watch, the pod could lose its newest state. */
  private consistent = false;

  constructor(
    private readonly options: AttemptOptions,
    private readonly request: AdmissionRequest & { readonly namespace: string },
    private readonly startMs: number,
  ) {
    const { settings, methods } = options;
    this.placements = { nodeSelector: settings.nodeSelector, methods };
    this.pod = projectAdmittedPod(original(request.object, this.placements));
  }

  /** Who creates which pod, for the log. The outcome of the restore is logged with the same claim. */
  get subject() {
    const { uid: claim, user, namespace, dryRun } = this.request;
    const { name, generateName, owner } = this.pod;
    return {
      user,
      namespace,
      pod: name ?? generateName,
      ...(owner && { owner: `${owner.kind}/${owner.name}` }),
      claim,
      ...(dryRun && { dryRun }),
    };
  }

  async decide(): Promise<Decision> {
    const request = readRequest(this.pod.annotations);
    if (typeof request === "string") return { is: "invalid", reason: request, cause: "InvalidRequest" };
    this.shared = request.shared;
    const denied = this.options.deniedIn(this.request.namespace);
    if (denied !== undefined) {
      const reason = `the controller cannot read pods or Checkpoints of the namespace: ${denied}`;
      return { is: request.fallback === "stop" ? "deny" : "fresh", reason, cause: "NamespaceDenied" };
    }
    // Without a claim nothing shows whether the cache is late.
    await this.find(request, request.shared || this.request.dryRun);
    for (;;) {
      if (this.elapsedMs() > BUDGET_MS) throw new Error(`no decision within ${BUDGET_MS} ms`);
      const decision = this.decideOn(this.pod, request);
      if (decision.is === "restore") {
        if (!this.replacesSource(decision.checkpoint) && (await this.readSource(decision.checkpoint)))
          continue;
        if (request.shared) return decision;
        const refusal = request.fallback === "fresh" ? this.refusal(request) : undefined;
        if (refusal && !this.consistent) {
          await this.find(request, true);
          continue;
        }
        if (refusal && (await this.updateClaims(refusal))) continue;
        if (refusal?.isDue && !(await this.recordFresh(refusal))) continue;
        if (refusal && (refusal.isDue || (await this.hasFreshPod())))
          return { is: "fresh", reason: refusal.reason, cause: "PodsRejected" };
        if (this.request.dryRun) return decision;
        const claimed = await this.claimWithSource(decision.checkpoint);
        if (claimed === undefined) continue;
        if (this.consistent || (await this.isFirstChoice(request, claimed))) return decision;
        await this.options.claims.release(claimed, this.request.uid, this.bounds().timeoutMs);
        await this.find(request, true);
      } else if (decision.is === "busy") {
        if (await this.isHeld(decision.checkpoint)) continue;
        if (this.takeOver(decision.checkpoint)) continue;
        if (this.elapsedMs() > BUSY_MS) return decision;
        await sleep(POLL_MS);
      } else if (this.consistent) return decision;
      // A fresh start discards a state: it needs the newest Checkpoints.
      else await this.find(request, true);
    }
  }

  private decideOn(pod: AdmittedPod, request: RestoreRequest): Decision {
    const running = new Set([...this.running].filter(([, runs]) => runs).map(([uid]) => uid));
    return decide(pod, request, this.checkpoints(), { running, ...this.placements });
  }

  /**
   * Checks that the claimed Checkpoint is still the one to restore, once the cache has everything that was written before the
   * claim: another one may have completed, or was unknown.
   */
  private async isFirstChoice(request: RestoreRequest, claimed: CheckpointObject): Promise<boolean> {
    if (!(await this.options.candidates.includes(claimed))) return false;
    await this.find(request, false);
    const annotations = { ...this.pod.annotations, [RECORD.claim]: this.request.uid };
    const decision = this.decideOn({ ...this.pod, annotations }, request);
    return decision.is === "restore" && decision.checkpoint.metadata.uid === claimed.metadata.uid;
  }

  /** Returns why pods that are to be restored are not created. */
  private refusal(request: RestoreRequest): Refusal | undefined {
    return refusalOf(this.pod, candidates(this.pod, request, this.checkpoints()), Date.now());
  }

  /** Reads whether the claims of a refusal have pods that the leader has not recorded. @returns whether one has */
  private async updateClaims({ claimed }: Refusal): Promise<boolean> {
    for (const one of claimed) if (await this.isHeld(one)) return true;
    return false;
  }

  /** Checks whether a pod of the same owner was created after it was admitted without a checkpoint for this reason. */
  private async hasFreshPod(): Promise<boolean> {
    const { owner } = this.pod;
    if (owner === undefined) return false;
    const { namespace } = this.request;
    const labelSelector = `${RESTORED_FROM}=${NOT_RESTORED}`;
    const pods = await this.options.client.list(FRESH_POD, { namespace, labelSelector, ...this.bounds() });
    return pods.some(({ ownerUID, isRecorded }) => isRecorded && ownerUID === owner.uid);
  }

  /** @returns false if the Checkpoint has changed: it is then read again */
  private async recordFresh({ record: { checkpoint, attempts }, reason }: Refusal): Promise<boolean> {
    const { uid, dryRun } = this.request;
    if (dryRun || isOwnClaim(this.pod, checkpoint.status.restore)) return true;
    const message = `${reason}; a pod was admitted without a checkpoint`;
    if (await this.options.claims.recordFresh(checkpoint, uid, { attempts, message }, READ_TIMEOUT_MS))
      return true;
    await this.refresh(checkpoint);
    return false;
  }

  /** Ends a claim of an earlier pod of the same owner that was not created. @returns whether it has ended */
  private takeOver(checkpoint: CheckpointObject): boolean {
    const now = this.read.get(checkpoint.metadata.uid);
    const restore = now?.status.restore;
    if (now === undefined || !isAbandoned(this.pod, restore, Date.now())) return false;
    const status = { ...now.status, restore: { ...restore, state: "PodMissing" as const } };
    this.read.set(now.metadata.uid, { ...now, status });
    return true;
  }

  responseTo(decision: Decision): AdmissionResponse {
    const { uid, object: pod } = this.request;
    switch (decision.is) {
      case "restore": {
        const patch = mutation(pod, decision, this.shared ? undefined : uid, this.placements);
        return { allowed: true, patch, warnings: decision.warnings };
      }
      case "fresh":
      // A policy rejects the pod with the reason, unless another webhook changes it and it is restored after all.
      case "deny": {
        const claim = decision.cause === "PodsRejected" ? uid : undefined;
        const patch = mutation(pod, decision, claim, this.placements);
        return {
          allowed: true,
          patch,
          warnings: decision.is === "fresh" ? [`starts fresh: ${decision.reason}`] : [],
        };
      }
      case "busy":
        return { allowed: false, code: 409, message: `${decision.reason}; try again` };
      default:
        return { allowed: false, code: 403, message: `${REQUEST.from}: ${decision.reason}` };
    }
  }

  /** Releases the claim of an earlier call for the same pod, if this one decides otherwise. */
  async releaseEarlierClaim(decision: Decision): Promise<void> {
    const { annotations } = this.pod;
    const [claim, name, uid] = [RECORD.claim, RECORD.checkpoint, RECORD.plan].map((key) => annotations[key]);
    if (claim === undefined || name === undefined || this.request.dryRun) return;
    if (decision.is === "restore" && decision.checkpoint.metadata.uid === uid) return;
    try {
      const checkpoint = await this.get(name);
      if (checkpoint === undefined || checkpoint.metadata.uid !== uid) return;
      await this.options.claims.release(checkpoint, claim, this.bounds().timeoutMs);
    } catch (error) {
      // The leader releases it after 65 s.
      this.options.log.warn(
        { error: String(error), checkpoint: name },
        "claim of an earlier call not released",
      );
    }
  }

  private elapsedMs(): number {
    return performance.now() - this.startMs;
  }

  /** Returns the candidates, as last read. */
  private checkpoints(): readonly CheckpointObject[] {
    return this.known.flatMap((one) => {
      const { uid } = one.metadata;
      const now = this.read.has(uid) ? this.read.get(uid) : one;
      return now === undefined ? [] : [now];
    });
  }

  private async find({ from }: RestoreRequest, consistent: boolean): Promise<void> {
    const { namespace } = this.request;
    const { candidates } = this.options;
    this.read.clear();
    this.consistent = consistent || from !== LATEST;
    if (from !== LATEST) this.known = [await this.get(from)].filter((one) => one !== undefined);
    else if (consistent) this.known = await candidates.newest(namespace, this.pod, this.bounds().timeoutMs);
    else this.known = candidates.cached(namespace, this.pod);
  }

  /** Ends a read with the time for the decision. */
  private bounds() {
    return { timeoutMs: Math.max(1, Math.round(BUDGET_MS - this.elapsedMs())) };
  }

  /** Reads the source pod of the Checkpoint. @returns false if it was read before */
  private async readSource({ spec, status }: CheckpointObject): Promise<boolean> {
    const { podUID } = status;
    if (podUID === undefined || this.running.has(podUID)) return false;
    const pod = await this.options.client.get(POD, this.key(spec.podRef.name), this.bounds());
    this.running.set(podUID, textAt(pod, "metadata", "uid") === podUID && runs(pod));
    return true;
  }

  /**
   * Checks whether the pod takes the name of the Checkpoint's source pod, as those of a StatefulSet do. That one was then deleted
   * before, in all likelihood, and is read while the Checkpoint is claimed: each read takes a part of the time of an admission.
   */
  private replacesSource({ spec }: CheckpointObject): boolean {
    return this.pod.name === spec.podRef.name && !this.shared && !this.request.dryRun;
  }

  /** Claims the Checkpoint, unless its source pod turns out to run. @returns undefined if the decision must be repeated */
  private async claimWithSource(checkpoint: CheckpointObject): Promise<CheckpointObject | undefined> {
    const [reading, claiming] = await Promise.allSettled([
      this.readSource(checkpoint),
      this.claim(checkpoint),
    ]);
    if (claiming.status === "rejected") throw claiming.reason;
    const { value: claimed } = claiming;
    const { podUID } = checkpoint.status;
    const isRunning = podUID !== undefined && this.running.get(podUID) === true;
    if (claimed && (reading.status === "rejected" || (isRunning && reading.value)))
      await this.options.claims.release(claimed, this.request.uid, this.bounds().timeoutMs);
    if (reading.status === "rejected") throw reading.reason;
    return isRunning && reading.value ? undefined : claimed;
  }

  /** Claims the Checkpoint. @returns undefined if it has changed: it is then read again */
  private async claim(checkpoint: CheckpointObject): Promise<CheckpointObject | undefined> {
    const { uid: id } = this.request;
    const { name: podName } = this.pod;
    const attempts = nextAttempts(this.pod, checkpoint.status.restore, Date.now());
    const claim = { id, podName, attempts };
    const claimed = await this.options.claims.claim(checkpoint, claim, READ_TIMEOUT_MS);
    if (claimed === undefined) await this.refresh(checkpoint);
    return claimed;
  }

  private async refresh({ metadata: { name, uid } }: CheckpointObject): Promise<void> {
    const live = await this.get(name);
    this.read.set(uid, live?.metadata.uid === uid ? live : undefined);
  }

  private get(name: string): Promise<CheckpointObject | undefined> {
    return this.options.client.get(CHECKPOINT, this.key(name), this.bounds());
  }

  private key(name: string) {
    return { namespace: this.request.namespace, name };
  }

  /**
   * Checks whether the claim's pod exists although the leader has not recorded it yet. If so it counts as recorded, else the
   * Checkpoint is read again.
   */
  private async isHeld(checkpoint: CheckpointObject): Promise<boolean> {
    const { namespace, uid } = checkpoint.metadata;
    const { restore } = checkpoint.status;
    const labelSelector = `${RESTORED_FROM}=${uid}`;
    const pods = await this.options.client.list(RESTORED_POD, { namespace, labelSelector, ...this.bounds() });
    const holder = pods.find(({ claim }) => claim !== undefined && claim === restore?.claim);
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

/** Checks whether the pod runs: it is not being deleted and has not ended. */
function runs(pod: Json | undefined): boolean {
  const phase = textAt(pod, "status", "phase") ?? "Pending";
  return (
    textAt(pod, "metadata", "deletionTimestamp") === undefined && phase !== "Succeeded" && phase !== "Failed"
  );
}
